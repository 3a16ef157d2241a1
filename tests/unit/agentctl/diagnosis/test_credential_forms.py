"""Credentials are redacted in the forms in which people write them; what support reads remains."""

import base64
import json
from typing import Any

import pytest

from agentctl.diagnosis.credential_names import is_credential
from agentctl.diagnosis.credential_texts import REDACTED
from agentctl.diagnosis.known_values import parts_of
from agentctl.diagnosis.redaction import Redactor

BLOB = "aB3+x/9Q" * 1100
IN_TEXTS = {
    "shell option": ("mysql -u root --password hunter3 -h db", "hunter3"),
    "shell option with =": ("run --api-key=abcd1234x now", "abcd1234x"),
    "quoted option": ("run --password 'correct horse'", "horse"),
    "curl -u": ("curl -u bob:hunter4 https://gateway", "hunter4"),
    "curl --user=": ("curl --user=bob:hunter4 https://gateway", "hunter4"),
    "mysql -p": ("mysqldump -u root -phunter db", "hunter"),
    "redis-cli -a": ("redis-cli -h redis -a hunter ping", "hunter"),
    "curl header": ("curl -H 'api-key: 0123abcdXYZ' https://h", "0123abcdXYZ"),
    "own scheme": ("Authorization: Custom zz99 aa88", "aa88"),
    "cookie": ("Set-Cookie: session=abcd1234; Path=/", "abcd1234"),
    "login without a colon": ("clone https://ghtoken1234567@github.com/x", "ghtoken1234567"),
    "login with a slash": ("redis://u:p/ss@host", "p/ss"),
    "login with an @": ("postgresql://user:pa@ss/word@db/x", "ss/word"),
    "login without a user": ("redis://:hunter2@redis:6379/0", "hunter2"),
    "login with a question mark": ("amqp://u:p?s#s@mq:5672", "p?s#s"),
    "DSN of MySQL": ("dsn user:hunter2@tcp(db:3306)/x", "hunter2"),
    "Slack": ("https://hooks.slack.com/services/T0000/B000/XXXXabcd", "XXXXabcd"),
    "Teams": ("https://x.webhook.office.com/webhookb2/abcd-1234/IncomingWebhook", "abcd-1234"),
    "Telegram": ("https://api.telegram.org/bot123456:AAabcdef/getMe", "AAabcdef"),
    "Discord": ("https://discord.com/api/webhooks/1234/abcdefgh", "abcdefgh"),
    "Sentry": ("https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/5", "0123456789abcdef"),
    "code": ("https://f.azurewebsites.net/api/x?code=SECRETCODE99", "SECRETCODE99"),
    "subscription key": ("https://x/?api-version=1&subscription-key=abcdef0123", "abcdef0123"),
    "token in a query": ("GET /v1?access_token=ab12cd", "ab12cd"),
    "plural": ("API_KEYS=k1,k2,k3", "k2"),
    "suffix": ("DB_PASSWORD_RO=hunter2", "hunter2"),
    "number": ("PASSWORD2=hunter2", "hunter2"),
    "digits": ("password=123456", "123456"),
    "without separator": ("OPENAIKEY=abcdef99", "abcdef99"),
    "spaces": ("2026-11-27T20:00:00Z password = 'correct horse battery'", "battery"),
    "whole line": ("DB_PASSWORD=correct horse battery\nPORT=1", "battery"),
    "YAML block": ("db:\n  password: |\n    correct\n    horse\n  port: 1\n", "horse"),
    "quote in the value": ("password=pa'ss\"rest x", "rest"),
    "escaped quote": ('{"password": "pa\\"ss\\\\word99"}', "word99"),
    "JSON in JSON": (json.dumps({"msg": json.dumps({"token": 'ab"cd12'})}), "cd12"),
    "JSON list": ('{"apiKeys": ["first1", "second2"]}', "second2"),
    "TOML": ('[db]\npassword = """abc\\n"""', "abc"),
    "variable in JSON": ('{"name":"DB_PASSWORD","value":"hunter"}', "hunter"),
    "variable in YAML": ("- name: DB_PASSWORD\n  value: hunter\n", "hunter"),
    "XML": ("<password>hunter</password>", "hunter"),
    "form": ("password%3Dhunter2", "hunter2"),
    "spoken": ("the password is hunter2", "hunter2"),
    "long base64": (f"data: {BLOB}", "aB3+x/9Q"),
    "URL-safe base64": ("key " + "aB3-x_9Q" * 8, "aB3-x_9Q"),
    "64 digits": ("key " + "0123456789abcdef" * 4, "0123456789abcdef"),
    "end of a key": ("MIIEvQabc\n-----END PRIVATE KEY-----\nstarted", "MIIEvQ"),
    "PGP": ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOY\n-----END PGP PRIVATE KEY BLOCK-----", "lQOY"),
    "Stripe": ("sk_live_abcdefgh1234", "sk_live_abcdefgh"),
    "Vault": ("hvs.CAESIabcdefgh", "CAESIabcdefgh"),
}
VARIABLES = {
    "DB_PASSWORD_RO": "hunter2",
    "PASSWORD2": "hunter2",
    "OPENAIKEY": "hunter2",
    "API_KEYS": "hunter2,b",
    "X_TOKENS": "hunter2",
    "AUTH": "user:hunter2",
    "SECRET_NAME": "hunter2",
    "LANGFUSE_SK": "hunter2",
    "SLACK_WEBHOOK_URL": "https://example.com/hunter2",
    "ANYTHING": "hunter2",
    "AGENT_TOKEN": "hunter2",
    "OTEL_EXPORTER_OTLP_HEADERS": "x=hunter2",
    "HTTPS_PROXY": "http://u:hunter2@proxy:3128",
}
SETTINGS = {
    "LOG_LEVEL": "debug",
    "WORKERS": "4",
    "FEATURE": "true",
    "TIMEOUT": "30s",
    "MEMORY": "512Mi",
    "POD_NAMESPACE": "team",
    "AGENT_OPERATOR_NAMESPACES": "team,other",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
    "HTTPS_PROXY": "http://proxy:3128",
    "NO_PROXY": ".svc,10.0.0.0/8",
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
}
ARGUMENTS = [
    ["--password", "hunter2222"],
    ["--api-key", "hunter2222"],
    ["-phunter2222"],
    ["mysql", "-uroot", "-phunter2222"],
    ["--auth=hunter2222"],
    ["--db-password=correct hunter2222"],
    ["curl", "-u", "bob:hunter2222"],
    ["redis-cli", "-a", "hunter2222"],
    ["-token", "hunter2222"],
    ["sh", "-c", "mysql --password hunter2222"],
]
READABLE = [
    "image registry.example.com/agent:1.2@sha256:" + "ab" * 32,
    "pulled docker://registry.example.com/agent:1.2@sha256:" + "ab" * 32,
    "GET https://registry.example.com/@scope/package 404",
    "see https://github.com/org/action@v4",
    "containerd://" + "0123456789abcdef" * 4,
    'Readiness probe failed: HTTP probe failed with statuscode: 503, "reason": "gpt: unhealthy"',
    'prompt_tokens=12 completion_tokens=30 max_tokens: 4096, "total_tokens": 42',
    "exit code: 137, code=1",
    "Secret team/azure-openai-2 does not exist: create it or correct spec.credentials.secretRef",
    "no token: sign in with `kubectl oidc-login`",
    "basic authentication failed; bearer token missing",
    "secretRef: azure-1, secretName: azure-2, key: OPENAI_API_KEY_2",
    "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available",
    'node(s) had untolerated taint {node.kubernetes.io/not-ready: ""}',
    'File "/opt/venv/lib/python3.13/site-packages/agent_runtime/HTTP/Server.py", line 12, in run2',
    "--password-file /etc/agent/password --port 8080 -p 8080:80",
    "topologyKey: kubernetes.io/hostname",
    "dial tcp 10.0.0.1:443: connect: connection refused",
    "agent-runtime 1.2.3 listens on http://0.0.0.0:8080 with 4 workers",
    "system:serviceaccount:team:support cannot list resource pods",
    'automountServiceAccountToken: false, "tokenReview": true',
    "support-7b9f6c5d4-x2x7k was OOMKilled at 2026-11-27T20:47:46Z",
]


@pytest.mark.parametrize("name", IN_TEXTS)
def test_no_form_remains_in_a_text(name: str) -> None:
    text, secret = IN_TEXTS[name]
    redacted = Redactor().text(text)
    assert secret not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize("text", READABLE)
def test_ordinary_messages_stay_readable(text: str) -> None:
    assert Redactor().sentence(text) == text


@pytest.mark.parametrize("text", [text for text in READABLE if not text.startswith("no token: sign")])
def test_ordinary_logs_stay_readable(text: str) -> None:
    assert Redactor().text(f"2026-11-27T20:47:46Z {text}").endswith(text)


def variables(values: dict[str, str]) -> list[dict[str, str]]:
    pod = {"spec": {"containers": [{"env": [{"name": name, "value": value} for name, value in values.items()]}]}}
    found: list[dict[str, str]] = Redactor().object(pod)["spec"]["containers"][0]["env"]
    return found


def test_values_of_variables_are_redacted_except_known_settings() -> None:
    assert "hunter2" not in str(variables(VARIABLES))
    assert {it["name"]: it["value"] for it in variables(SETTINGS)} == SETTINGS


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_arguments_of_programs_lose_their_credentials(arguments: list[str]) -> None:
    redacted = Redactor().object({"spec": {"containers": [{"args": arguments}]}})
    assert "hunter2222" not in str(redacted)


def test_other_arguments_remain() -> None:
    arguments = ["--port", "8080", "-port=80", "-p", "8080", "--token-file", "/token", "-profile", "run", "-u", "1000"]
    assert Redactor().object({"args": arguments}) == {"args": arguments}


@pytest.mark.parametrize(
    "obj",
    [
        {"kind": "Pod", "metadata": {"annotations": {"kapp.k14s.io/original": '{"a":"hunter2"}'}}},
        {"kind": "Pod", "metadata": {"annotations": {"banzaicloud.com/last-applied": "UEsDhunter2"}}},
        {"kind": "Deployment", "spec": {"template": {"metadata": {"annotations": {"team/note": "hunter2"}}}}},
        {"kind": "SecretStore", "spec": {"provider": {"fake": {"data": [{"key": "a", "value": "hunter2"}]}}}},
        {"kind": "ExternalSecret", "spec": {"target": {"template": {"data": {"a": "hunter2"}}}}},
        {"kind": "ConfigMap", "binaryData": {"a": "hunter2"}},
        {"kind": "List", "items": [{"kind": "Secret", "stringData": {"a": "hunter2"}}]},
        {"spec": {"tools": [{"headers": {"X-Auth": "hunter2", "accept": "text/html"}}]}},
        {"spec": {"httpGet": {"httpHeaders": [{"name": "X-Auth", "value": "hunter2"}]}}},
        {"spec": {"apiKeys": ["hunter2"]}},
        {"data": {"app.env": "DB_PASSWORD=hunter2\n", "DB_PASS": "hunter2"}},
    ],
    ids=str,
)
def test_objects_lose_their_credentials(obj: dict[str, Any]) -> None:
    assert "hunter2" not in str(Redactor().object(obj))


FILES = {
    ".env": ("\n".join(f"VAR{n}=plainvalue{n:03d}" for n in range(100)), "plainvalue080"),
    "JSON": ('{"db": {"login": "pw-topsecret-1"}}', "pw-topsecret-1"),
    "YAML": ("db:\n  login: 'pw-topsecret-1'\n", "pw-topsecret-1"),
    "connection string": ("Server=db;User=x;Pw=pw-topsecret-1;", "pw-topsecret-1"),
    "URL": ("redis://:pw-topsecret-1@redis:6379", "pw-topsecret-1"),
    "list": ("key-one-1,key-two-2", "key-two-2"),
    "registry": (
        json.dumps({"auths": {"r": {"auth": base64.b64encode(b"bob:pw-topsecret-1").decode()}}}),
        "pw-topsecret-1",
    ),
    "JSON escapes": ('pa"ss\\word 9', json.dumps('pa"ss\\word 9')[1:-1]),
    "base64": ("pa ss word", base64.b64encode(b"pa ss word").decode()),
    "URL escapes": ("pa ss/word", "pa%20ss%2Fword"),
    "long value": ("line of a file " * 500, "line of a file " * 400),
}


@pytest.mark.parametrize("name", FILES)
def test_values_within_a_secret_are_known_elsewhere(name: str) -> None:
    content, value = FILES[name]
    redacted = Redactor(list(parts_of(content))).text(f"refused <{value}> again")
    assert redacted == f"refused <{REDACTED}> again"


def test_ordinary_words_of_a_secret_remain_readable() -> None:
    content = "MODE=production\nHOST=localhost\nDEBUG=true\n"
    assert Redactor(list(parts_of(content))).text("production on localhost: true") == "production on localhost: true"


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD_RO", "PASSWORD2", "openaiKeys", "OPENAIKEY", "X_TOKENS", "AUTH", "apikey"]
)
def test_names_of_credentials(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "secretName",
        "tokenFile",
        "TOKEN_URL",
        "key",
        "monkey",
        "topologyKey",
        "publicKey",
        "author",
        "",
        "7",
    ],
)
def test_names_of_other_values(name: str) -> None:
    assert not is_credential(name)
