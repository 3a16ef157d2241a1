"""Tokens of callers (JSON Web Tokens): who sent a request, if an issuer that the config names has signed the token.

PyJWT checks the signature and the claims. What it would accept beyond the standards is refused before.
"""

import hashlib
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Protocol

import jwt

from agent_runtime.config.auth import DEFAULT_ALGORITHMS, DEFAULT_LEEWAY, JwtConfig
from agent_runtime.errors import Problem
from agent_runtime.http.key_set import KeySet

MAX_CHARS = 16 * 1024
MAX_BRACKETS = 100
MAX_KEY_ID = 256
MAX_TIME = 1e12
MAX_SUBJECT = 1024
# Keys to try if the token does not name one.
MAX_TRIES = 8
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_REQUIRED = ["exp", "iss", "aud", "sub"]
# What the error says, by the error of PyJWT; the more specific ones first.
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidAudienceError, "the token has another audience"),
    (jwt.InvalidIssuerError, "the token has another issuer"),
    (jwt.InvalidSignatureError, "the signature of the token is invalid"),
    (jwt.MissingRequiredClaimError, "the token lacks one of the claims exp, iss, aud and sub"),
)


class Issuers(Protocol):
    """Knows the values of the claim iss that are accepted."""

    issuers: tuple[str, ...]


class Tokens:
    """Checks the tokens of callers."""

    def __init__(self, config: JwtConfig, issuer: Issuers, keys: KeySet) -> None:
        self._config = config
        self._issuer = issuer
        self.keys = keys
        self._algorithms: tuple[str, ...] = config.algorithms or DEFAULT_ALGORITHMS
        self._leeway = DEFAULT_LEEWAY if config.leeway_seconds is None else config.leeway_seconds

    async def caller(self, token: str) -> str:
        """Return the name of the caller that sends this token: the same for all tokens of a subject.

        Raises:
            Problem: 401 if the token is not accepted; 503 if that cannot be decided, because no keys are known.
        """
        header = self._header(token)
        found = await self.keys.find(header.get("kid"), header["alg"])
        if not self.keys.is_loaded:
            detail = "The keys of the issuer cannot be fetched: retry; /health has the reason"
            raise Problem(503, "keys_unavailable", detail, retry_after=5)
        claims = self._verified(token, header["alg"], found[:MAX_TRIES])
        self._check(claims)
        return _name(claims)

    def _header(self, token: str) -> Mapping[str, Any]:
        """Return the header of a token, which nobody has verified yet."""
        if len(token) > MAX_CHARS or not _TOKEN.fullmatch(token):
            raise refusal("the token is malformed")
        header, payload, _ = token.split(".")
        fields, claims = _object(header), _object(payload)
        key_id, kind = fields.get("kid"), fields.get("typ", "JWT")
        if fields.get("alg") not in self._algorithms:
            raise refusal("the algorithm of the token is not accepted")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise refusal("the type of the token is not JWT")
        if "crit" in fields or "b64" in fields or not isinstance(key_id, str | None) or len(key_id or "") > MAX_KEY_ID:
            raise refusal("the header of the token is not supported")
        if not all(_is_time(claims[name]) for name in ("exp", "nbf", "iat") if name in claims):
            raise refusal("a time claim is not a number")
        return fields

    def _verified(self, token: str, algorithm: str, keys: list[jwt.PyJWK]) -> dict[str, Any]:
        """Return the claims of a token that one of the keys has signed."""
        fault: Exception = jwt.InvalidSignatureError()
        for key in keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key.key,
                    algorithms=[algorithm],
                    audience=self._config.audiences,
                    issuer=self._issuer.issuers,
                    leeway=self._leeway,
                    options={"require": _REQUIRED},
                )
            except jwt.InvalidSignatureError as error:
                fault = error
            except (jwt.PyJWTError, ValueError, TypeError) as error:
                raise refusal(_fault(error)) from None
            else:
                return claims
        raise refusal(_fault(fault))

    def _check(self, claims: Mapping[str, Any]) -> None:
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
            raise refusal("the subject of the token is invalid")
        allowed = self._config.subjects
        if allowed is not None and not any(_matches(subject, pattern) for pattern in allowed):
            raise refusal("the subject of the token may not call this agent")
        for name, value in (self._config.required_claims or {}).items():
            if not _has(claims.get(name), value, words=name in ("scope", "scp")):
                raise refusal("the token lacks a claim that this agent requires")


def refusal(fault: str) -> Problem:
    """Return the problem for a token with this fault. It quotes nothing of the token."""
    problem = Problem(401, "invalid_token", f"Authorization: {fault}: get a new token from the issuer")
    problem.challenge = f'Bearer error="invalid_token", error_description="{fault}"'
    return problem


def _object(segment: str) -> dict[str, Any]:
    """Return the JSON object in a segment of a token, within bounds and without duplicate names."""
    try:
        text = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        if text.count(b"{") + text.count(b"[") > MAX_BRACKETS:
            raise refusal("the token is nested too deeply")
        fields = json.loads(text, object_pairs_hook=_unique)
    except ValueError:  # also from base64 and UTF-8
        raise refusal("the token is malformed") from None
    if not isinstance(fields, dict):
        raise refusal("the token is malformed")
    return fields


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("duplicate names")
    return fields


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_TIME < value < MAX_TIME


def _matches(subject: str, pattern: str) -> bool:
    return subject.startswith(pattern[:-1]) if pattern.endswith("*") else subject == pattern


def _has(claim: Any, value: str, *, words: bool) -> bool:
    if words and isinstance(claim, str):
        claim = claim.split()
    if isinstance(claim, list):
        return value in claim
    text = json.dumps(claim) if isinstance(claim, bool | int) else claim
    return isinstance(text, str) and text == value


def _name(claims: Mapping[str, Any]) -> str:
    identity = f"{claims['iss']}\0{claims['sub']}".encode(errors="surrogatepass")
    return f"jwt-{hashlib.sha256(identity).hexdigest()[:32]}"


def _fault(error: Exception) -> str:
    return next((text for kind, text in _FAULTS if isinstance(error, kind)), "the token is malformed")
