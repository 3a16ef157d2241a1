"""Tokens (JWT) of callers of an agent that also accepts API keys."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent_runtime.http.key_set import MIN_INTERVAL
from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml
from tests.integration.agent_runtime.issuer_server import AUDIENCE, In, IssuerServer, encoded
from tests.polling import eventually

KEY = "key-of-a-caller"
HI = {"message": "hi", "session_id": "s"}
Forge = Callable[[IssuerServer], str]


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerServer]:
    """An issuer with keys of both kinds."""
    server = IssuerServer()
    server.set_keys("one", "ec")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, issuer: IssuerServer, tmp_path_factory: Any) -> AgentProcess:
    """An agent that finds the keys by discovery, and requires a role."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(KEY)
    tables = (
        f'[agent.server]\napi_keys_file = "{keys}"\n'
        f'[agent.auth.jwt]\nissuer = "{issuer.url}"\naudiences = ["{AUDIENCE}", "other-name"]\n'
        'subjects = ["alice", "bob", "system:serviceaccount:team-a:*"]\nrequired_claims = {roles = "caller"}\n'
    )
    return start_shared_agent(agent_toml(ECHO, memory=tables)).ready()


def good(issuer: IssuerServer, key_id: str = "one", **claims: Any) -> str:
    """Return a token that the agent accepts, unless claims differ."""
    return issuer.token(key_id, **({"roles": ["reader", "caller"]} | claims))


def call(agent: AgentProcess, token: str | bytes, **body: Any) -> httpx2.Response:
    """Send a message with a token."""
    prefix: Any = "Bearer " if isinstance(token, str) else b"Bearer "
    return agent.http.post("/api/chat", json=HI | body, headers={"Authorization": prefix + token})


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "bob"},
        {"sub": "system:serviceaccount:team-a:caller"},
        {"aud": ["x", "other-name"]},
        {"exp": In(-30)},  # within the leeway
        {"nbf": In(30)},
        {"exp": In(600.5)},
        {"iat": None},
        {"roles": "caller"},
        {"extra": {"nested": [1, {"a": None}]}},
    ],
    ids=str,
)
@pytest.mark.parametrize("key_id", ["one", "ec"])
def test_a_good_token_is_accepted(
    agent: AgentProcess, issuer: IssuerServer, key_id: str, claims: dict[str, Any]
) -> None:
    assert call(agent, good(issuer, key_id, **claims)).status_code == 200


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": "application/at+JWT"}, {"typ": "jwt"}, {"x5t": "abc"}])
def test_headers_of_common_issuers_are_accepted(agent: AgentProcess, issuer: IssuerServer, header: Any) -> None:
    assert call(agent, issuer.token(headers=header, roles=["caller"])).status_code == 200


def test_an_api_key_is_accepted_too(agent: AgentProcess) -> None:
    """A request needs only one of the two. The fault of a wrong key is that of keys."""
    assert call(agent, KEY).status_code == 200
    assert call(agent, "wrong").json()["code"] == "invalid_api_key"


FAULTS: dict[str, dict[str, Any]] = {
    "the token has expired": {"exp": In(-120)},
    "the token is not valid yet": {"nbf": In(120)},
    "the token has another audience": {"aud": "another"},
    "the token has another issuer": {"iss": "https://evil.example"},
    "the token lacks one of the claims exp, iss, aud and sub": {"exp": None},
    "the subject of the token may not call this agent": {"sub": "system:serviceaccount:team-b:caller"},
    "the token lacks a claim that this agent requires": {"roles": ["reader"]},
    "a time claim is not a number": {"exp": "99999999999"},
}


@pytest.mark.parametrize(("fault", "claims"), FAULTS.items(), ids=list(FAULTS))
def test_the_error_names_the_fault(agent: AgentProcess, issuer: IssuerServer, fault: str, claims: Any) -> None:
    """The body and WWW-Authenticate have it, and nothing of the token."""
    refused = call(agent, good(issuer, **claims))

    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert fault in refused.json()["detail"]
    assert refused.headers["www-authenticate"] == f'Bearer error="invalid_token", error_description="{fault}"'
    assert not any(value in refused.text for value in ("evil.example", "team-b", "alice"))


def by_public_key(issuer: IssuerServer) -> str:
    """Sign with the public key as the secret of HS256, which some libraries accept."""
    secret = issuer.private["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{encoded({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{encoded(claims(issuer))}"
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def by_another_key(issuer: IssuerServer) -> str:
    """Sign with a key that the header itself brings along."""
    key = rsa.generate_private_key(65537, 2048)
    own = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    headers = {"kid": "one", "jwk": own, "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/"}
    return jwt.encode(claims(issuer), key, "RS256", headers=headers)


def claims(issuer: IssuerServer, **changed: Any) -> dict[str, Any]:
    """Return the claims of a good token."""
    return issuer.claims(roles=["caller"], **changed)


def unsigned(header: object, payload: object = None) -> Forge:
    """Return a token without a valid signature."""
    return lambda issuer: f"{encoded(header)}.{encoded(claims(issuer) if payload is None else payload)}.c2ln"


def signed(header: object, payload: object = None) -> Forge:
    """Return a token with a valid signature."""
    return lambda issuer: issuer.signed(header, claims(issuer) if payload is None else payload)


def altered(**changed: Any) -> Forge:
    """Return a good token whose signed claims have other types."""
    return lambda issuer: issuer.signed({"alg": "RS256", "kid": "one"}, claims(issuer) | changed)


RS = {"alg": "RS256", "kid": "one"}
HOSTILE: dict[str, Forge] = {
    "alg none": unsigned({"alg": "none"}),
    "alg none without a signature": lambda issuer: f"{encoded({'alg': 'none'})}.{encoded(claims(issuer))}.",
    "alg nOnE": unsigned({"alg": "nOnE", "kid": "one"}),
    "alg is a list": unsigned({"alg": ["RS256"], "kid": "one"}),
    "alg missing": unsigned({"kid": "one"}),
    "HS256 with the public key": by_public_key,
    "HS256 with a known secret": lambda issuer: jwt.encode(claims(issuer), "x" * 32, "HS256", headers={"kid": "one"}),
    "RS512 is not in the list": lambda issuer: jwt.encode(
        claims(issuer), issuer.private["one"], "RS512", headers={"kid": "one"}
    ),
    "ES256 with the id of an RSA key": lambda issuer: jwt.encode(
        claims(issuer), issuer.private["ec"], "ES256", headers={"kid": "one"}
    ),
    "own key in the header": by_another_key,
    "wrong signature": unsigned(RS),
    "signature of another token": lambda issuer: ".".join(
        [*good(issuer, sub="bob").split(".")[:2], good(issuer).split(".")[2]]
    ),
    "payload of another token": lambda issuer: ".".join(
        [good(issuer).split(".")[0], encoded(claims(issuer, sub="bob")), good(issuer).split(".")[2]]
    ),
    "typ of another protocol": signed(RS | {"typ": "logout+jwt"}),
    "typ is a number": signed(RS | {"typ": 1}),
    "crit": signed(RS | {"crit": ["exp"]}),
    "detached payload": signed(RS | {"b64": False, "crit": ["b64"]}),
    "kid is a path": signed({"alg": "RS256", "kid": "../../../../dev/null"}),
    "kid is SQL": signed({"alg": "RS256", "kid": "one' UNION SELECT 'x"}),
    "kid is a number": signed({"alg": "RS256", "kid": 1}),
    "kid is a list": signed({"alg": "RS256", "kid": ["one"]}),
    "kid is long": signed({"alg": "RS256", "kid": "x" * 4000}),
    "kid is empty": signed({"alg": "RS256", "kid": ""}),
    "header is a list": unsigned([]),
    "header is no JSON": unsigned(b"{"),
    "header is UTF-16": unsigned("{}".encode("utf-16")),
    "duplicate alg": unsigned(b'{"alg": "none", "alg": "RS256", "kid": "one"}'),
    "duplicate claims": signed(RS, b'{"sub": "alice", "sub": "bob", "exp": 99999999999}'),
    "payload is a list": signed(RS, []),
    "payload is no JSON": signed(RS, b"x"),
    "payload is nested": signed(RS, b'{"a":' * 900 + b"1" + b"}" * 900),
    "header is nested": unsigned(b"[" * 2000 + b"]" * 2000),
    "huge number": signed(RS, b'{"exp": ' + b"9" * 4500 + b"}"),
    "exp is text": altered(exp="99999999999"),
    "exp is true": altered(exp=True),
    "exp is null": altered(exp=None),
    "exp is infinite": signed(RS, b'{"exp": Infinity, "sub": "alice"}'),
    "exp is no number": signed(RS, b'{"exp": NaN, "sub": "alice"}'),
    "exp is huge": altered(exp=10**300),
    "exp is negative": altered(exp=-1),
    "nbf is a list": altered(nbf=[1]),
    "iat is in the future": lambda issuer: good(issuer, iat=In(5000)),
    "iss is a list": lambda issuer: altered(iss=[issuer.url])(issuer),
    "iss has a slash more": lambda issuer: good(issuer, iss=f"{issuer.url}/"),
    "aud is an object": altered(aud={"agent": True}),
    "aud is a list of lists": altered(aud=[["agent"]]),
    "aud is a part": altered(aud="agen"),
    "sub is a number": altered(sub=7),
    "sub is empty": altered(sub=""),
    "sub is long": altered(sub="x" * 2000),
    "roles are nested": altered(roles=[["caller"]]),
    "roles are an object": altered(roles={"caller": True}),
    "two segments": lambda issuer: ".".join(good(issuer).split(".")[:2]),
    "four segments": lambda issuer: good(issuer) + ".x",
    "five segments (encrypted)": lambda issuer: good(issuer) + ".x.y",
    "only dots": lambda _: "..",
    "whitespace inside": lambda issuer: good(issuer).replace(".", ". ", 1),
    "standard base64": lambda issuer: good(issuer).replace(".", "+/.", 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused(agent: AgentProcess, issuer: IssuerServer, name: str) -> None:
    """The error is a 401 that says so, and quotes nothing of the token."""
    token = HOSTILE[name](issuer)

    refused = call(agent, token)

    assert refused.status_code == 401, name
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert not any(part and len(part) > 8 and part in refused.text for part in token.split("."))


@pytest.mark.parametrize("token", [b"\xff", b"\xff.\xfe.\xfd", b"a.b.\xc3\x28", b"."])
def test_invalid_bytes_are_refused(agent: AgentProcess, token: bytes) -> None:
    assert call(agent, token).status_code == 401
    assert agent.log("unexpected error") == []


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/models", "error"), ("/api/sessions/s", "code"), ("/a2a", "code")], ids=str
)
def test_a_request_without_a_token_is_refused(agent: AgentProcess, path: str, kind: str) -> None:
    """WWW-Authenticate names no error, because there is no token. Health and documents stay open."""
    refused = agent.http.post(path) if path == "/a2a" else agent.http.get(path)

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert kind in refused.json()
    assert agent.http.get("/health").status_code == 200
    assert agent.http.get("/openapi.json").json()["components"]["securitySchemes"]
    assert "securitySchemes" in agent.http.get("/.well-known/agent-card.json").json()


def test_sessions_belong_to_the_subject(agent: AgentProcess, issuer: IssuerServer) -> None:
    """A new token of the same subject continues them. Another subject, and an API key, do not see them."""
    call(agent, good(issuer, jti="1"), session_id="mine")

    def messages(token: str) -> int:
        shown = agent.http.get("/api/sessions/mine", headers={"Authorization": f"Bearer {token}"})
        return len(shown.json().get("messages", ()))

    call(agent, good(issuer, "ec", jti="2"), session_id="mine")

    assert [messages(token) for token in (good(issuer), good(issuer, sub="bob"), KEY)] == [4, 0, 0]


def test_a_new_key_is_fetched_once(agent: AgentProcess, issuer: IssuerServer) -> None:
    """Tokens with unknown keys do not cause one fetch each, and known keys work meanwhile."""
    before, start = issuer.fetches(), time.monotonic()
    for number in range(50):
        assert (
            call(agent, issuer.signed({"alg": "RS256", "kid": f"unknown-{number}"}, claims(issuer))).status_code == 401
        )
        assert call(agent, good(issuer)).status_code == 200
    assert issuer.fetches() - before <= 1 + (time.monotonic() - start) / MIN_INTERVAL

    issuer.set_keys("two", "ec")

    eventually("the new key is accepted", lambda: call(agent, good(issuer, "two")).status_code == 200)
    assert call(agent, good(issuer)).status_code == 401
    issuer.set_keys("one", "two", "ec")
    eventually("both are accepted", lambda: call(agent, good(issuer, "one")).status_code == 200)


def test_known_keys_work_while_the_issuer_is_down(agent: AgentProcess, issuer: IssuerServer) -> None:
    """The component jwks of /health says why, and its recovery is noticed."""
    path = "/keys"
    keys, issuer.documents[path] = issuer.documents[path], 500
    try:

        def component() -> dict[str, Any]:
            call(agent, issuer.signed({"alg": "RS256", "kid": "unknown"}, claims(issuer)))
            found = {one["name"]: one for one in agent.details().json()["components"]}
            return dict(found["jwks"])

        eventually("the fault is reported", lambda: component()["status"] == "unhealthy")
        assert "answered 500" in component()["details"]["error"]
        assert call(agent, good(issuer, "ec")).status_code == 200
        assert agent.http.get("/health/ready").status_code == 200
    finally:
        issuer.documents[path] = keys
    eventually("the recovery is noticed", lambda: component()["status"] == "healthy")
    assert json.loads(keys if isinstance(keys, bytes) else b"{}")["keys"]
