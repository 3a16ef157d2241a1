"""Where the keys for callers' tokens come from: presets, and documents that are hostile or wrong."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.assembly import http_session
from agent_runtime.config import JwtConfig
from agent_runtime.config.auth import AUTHORITY_VARIABLE
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.http import key_set
from agent_runtime.http.issuer import DIRECTORY_VARIABLE, MAX_BYTES, Issuer
from agent_runtime.http.key_set import KeySet, KeySetError, parsed
from agent_runtime.http.tokens import MAX_CHARS, Tokens
from tests.clock import ManualClock
from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.issuer_server import AUDIENCE, DISCOVERY, IssuerServer

TENANT = "7d1f2e3d-4c5b-6a00-0000-000000000000"
CLUSTER_KEYS = "/openid/v1/jwks"


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    """An issuer."""
    server = IssuerServer()
    yield server
    server.stop()


@pytest.fixture
async def session() -> AsyncIterator[Any]:
    """The session of an agent."""
    async with http_session() as session:
        yield session


def tokens(session: Any, environment: Mapping[str, str], clock: Any = None, **config: Any) -> Tokens:
    """Return the check of tokens for a config."""
    wanted = JwtConfig.model_validate({"audiences": [AUDIENCE]} | config)
    issuer = Issuer(wanted, session, environment)
    return Tokens(wanted, issuer, KeySet(issuer.keys, *([clock] if clock else [])))


async def test_tokens_of_service_accounts_are_checked_with_the_keys_of_the_cluster(
    session: Any, tmp_path: Path
) -> None:
    """The API server names the issuer. It gets the token of the pod, which the kubelet replaces."""
    certificate = write_certificate(tmp_path / "ca.crt")
    api = IssuerServer(str(certificate), CLUSTER_KEYS)
    try:
        issuer_url = "https://kubernetes.default.svc.cluster.local"
        api.documents[DISCOVERY] = json.dumps(
            {"issuer": issuer_url, "jwks_uri": "https://10.0.0.1/unreachable"}
        ).encode()
        variables = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(api.port),
            DIRECTORY_VARIABLE: str(tmp_path),
        }
        clock = ManualClock(now=100.0)
        checked = tokens(session, variables, clock, preset="kubernetes", subjects=["system:serviceaccount:team-a:*"])
        account = {"namespace": "team-a", "serviceaccount": {"name": "caller"}}
        sent: dict[str, Any] = {
            "iss": issuer_url,
            "sub": "system:serviceaccount:team-a:caller",
            "kubernetes.io": account,
        }

        with pytest.raises(Problem) as missing:
            await checked.caller(api.token(**sent))
        assert (missing.value.status, missing.value.code) == (503, "keys_unavailable")
        with pytest.raises(UnhealthyError, match=r"token and ca\.crt cannot be read"):
            await checked.keys.probe()
        (tmp_path / "token").write_text("first\n")
        clock.now += key_set.MIN_INTERVAL
        caller = await checked.caller(api.token(**sent))
        (tmp_path / "token").write_text("second\n")
        clock.now += key_set.REFRESH
        await checked.keys.probe()

        assert caller.startswith("jwt-")
        used = [headers["Authorization"] for path, headers in api.requests if path == CLUSTER_KEYS]
        assert used == ["Bearer first", "Bearer second"]
        with pytest.raises(Problem, match="another issuer"):
            await checked.caller(api.token(**(sent | {"iss": api.url})))
        with pytest.raises(Problem, match="may not call"):
            await checked.caller(api.token(**(sent | {"sub": "system:serviceaccount:team-b:caller"})))
    finally:
        api.stop()


async def test_entra_id_issues_tokens_of_two_versions(session: Any, server: IssuerServer) -> None:
    """The keys of both are those of the tenant. Tokens of another tenant are refused."""
    base = f"{server.url}/{TENANT}/v2.0"
    document = {"issuer": base, "jwks_uri": f"{server.url}/keys"}
    server.documents[f"/{TENANT}/v2.0{DISCOVERY}"] = json.dumps(document).encode()
    checked = tokens(session, {AUTHORITY_VARIABLE: server.url}, preset="entra_id", tenantId=TENANT)

    issuers = (base, f"https://sts.windows.net/{TENANT}/")
    names = {await checked.caller(server.token(iss=issuer)) for issuer in issuers}

    assert len(names) == 2
    with pytest.raises(Problem, match="another issuer"):
        await checked.caller(server.token(iss="https://sts.windows.net/other/"))


async def test_the_url_of_the_keys_may_be_configured(session: Any, server: IssuerServer) -> None:
    """Then nothing is discovered, and a token without the id of a key is tried with all keys of its algorithm."""
    server.set_keys("two", "one", "ec")
    checked = tokens(session, {}, issuer="https://issuer.example", jwksUrl=f"{server.url}/keys")

    assert await checked.caller(server.signed({"alg": "RS256"}, server.claims(iss="https://issuer.example")))
    assert {path for path, _ in server.requests} == {"/keys"}


async def test_a_huge_token_is_refused_before_it_is_decoded(session: Any, server: IssuerServer) -> None:
    with pytest.raises(Problem, match="malformed"):
        await tokens(session, {}, issuer=server.url).caller(server.token(padding="x" * MAX_CHARS))
    assert server.requests == []


@pytest.mark.parametrize(
    ("path", "document", "reason"),
    [
        (DISCOVERY, b"{", "InvalidKeys"),
        (DISCOVERY, b"[]", "InvalidKeys"),
        (DISCOVERY, b'{"issuer": "https://other.example", "jwks_uri": "http://127.0.0.1:1/"}', "WrongIssuer"),
        (DISCOVERY, b'{"issuer": ["x"]}', "WrongIssuer"),
        *(
            (DISCOVERY, {"jwks_uri": url}, "InvalidKeys")
            for url in (None, 7, "file:///etc/passwd", "http://[", "x", "//a")
        ),
        (DISCOVERY, {"jwks_uri": "http://169.254.169.254/keys"}, "ConnectionFailed"),
        (DISCOVERY, {"jwks_uri": "http://127.0.0.1:1/"}, "ConnectionRefused"),
        (DISCOVERY, 302, "ServerError"),
        ("/keys", 500, "ServerError"),
        ("/keys", b"x" * (MAX_BYTES + 1), "InvalidKeys"),
        ("/keys", b'{"keys": []}', "InvalidKeys"),
        ("/keys", b'{"keys": {}}', "InvalidKeys"),
        ("/keys", b'{"keys": ' + b"[" * 5000 + b"]" * 5000 + b"}", "InvalidKeys"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_document_is_reported(
    session: Any, server: IssuerServer, path: str, document: Any, reason: str
) -> None:
    """The call gets a 503, because nobody knows whether its token is good, and the probe has the reason."""
    if isinstance(document, dict):
        document = json.dumps({"issuer": server.url} | document).encode()
    server.documents[path] = document
    checked = tokens(session, {}, issuer=server.url)

    with pytest.raises(Problem) as raised:
        await checked.caller(server.token())
    with pytest.raises(UnhealthyError) as unhealthy:
        await checked.keys.probe()

    assert (raised.value.status, raised.value.retry_after) == (503, 5)
    assert unhealthy.value.reason == reason


def test_only_public_keys_for_signatures_are_used(server: IssuerServer) -> None:
    """Others are left out: symmetric, for encryption, malformed, weak, or too many."""
    one = server.public("one")
    weak = one | {"n": "AQAB" * 20}
    bad: list[Any] = [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}, one | {"use": "enc"}, one | {"n": "!"}, weak]
    bad += [
        one | {"alg": "HS256"},
        one | {"alg": "none"},
        {"kty": "EC", "crv": "P-1"},
        {"kty": ["RSA"]},
        None,
        7,
        [],
        {},
    ]
    for entry in bad:
        with pytest.raises(KeySetError):
            parsed(json.dumps({"keys": [entry]}).encode())

    keys = parsed(json.dumps({"keys": [*bad, *[one] * 200]}).encode())

    assert len(keys) == key_set.MAX_KEYS - len(bad)
