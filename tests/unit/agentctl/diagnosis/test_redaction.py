"""Credentials do not reach a report, in whatever form they appear; what support needs remains."""

import time

import pytest

from agentctl.diagnosis import bundle
from agentctl.diagnosis.bundle import LARGEST_FILE, MOST_FILES, Log
from agentctl.diagnosis.credential_texts import REDACTED
from agentctl.diagnosis.redaction import Redactor

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl"
AZURE = "0123456789abcdef0123456789abcdef"
MIXED = "9hT2kLmQ4vXz7RbN1cYd8WsE5uJf3GpA6oViB0qXyZlK"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----"

SECRETS = {
    "bearer token": (f"Authorization: Bearer {JWT}", JWT),
    "basic login": ("authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
    "JWT in a log": (f'{{"message": "refused {JWT}"}}', JWT),
    "OpenAI key": ("key sk-proj-abcdefgh12345678 is wrong", "sk-proj-abcdefgh12345678"),
    "GitHub token": ("remote: ghp_0123456789abcdefABCDEF", "ghp_0123456789abcdefABCDEF"),
    "AWS key": ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    "Azure key": (f"api-key {AZURE}", AZURE),
    "mixed key": (f"using {MIXED} now", MIXED),
    "URL": ("redis://user:hunter2@redis:6379", "hunter2"),
    "proxy": ("HTTPS_PROXY=http://a:p%40ss@proxy:3128", "p%40ss"),
    "connection string": ("Endpoint=sb://x;SharedAccessKey=abcd1234efgh;EntityPath=q", "abcd1234efgh"),
    "query": ("https://x.blob/y?sv=1&sig=Abc123%2Bdef&se=2", "Abc123%2Bdef"),
    "assignment": ("DB_PASSWORD=hunter2 started", "hunter2"),
    "JSON": ('{"client_secret": "hunter22"}', "hunter22"),
    "escaped JSON": ('"{\\"apiKey\\": \\"hunter22\\"}"', "hunter22"),
    "YAML": ("password: hunter22\n", "hunter22"),
    "private key": (f"tls.key: |\n{PEM}", "MIIEvQ"),
    "cut private key": ("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ", "MIIEvQ"),
}
HARMLESS = [
    "image registry.example.com/agent@sha256:" + "ab" * 32,
    "uid 7d1b4a5e-0c2f-4b7e-9d55-0a1b2c3d4e5f",
    "pod support-5dcc9c75b9-qqpmn",
    "https://gateway.example.com:443/v1/models?api-version=2024-10-01",
    "Secret default/azure does not exist: create it or correct the name",
    "the federated credential system:serviceaccount:team:support",
    "2026-11-27T20:47:46.123456Z",
    "agent-operator.dev/config-map: support-config-f9990fe27b",
]


@pytest.mark.parametrize("name", SECRETS)
def test_credentials_in_text_are_redacted(name: str) -> None:
    text, secret = SECRETS[name]
    redacted = Redactor().text(text)
    assert secret not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_remains(text: str) -> None:
    assert Redactor().sentence(text) == text


def test_values_of_secrets_are_redacted_wherever_they_appear() -> None:
    redactor = Redactor(["correct horse", "abc"])
    assert redactor.text("said 'correct horse' and abc") == f"said '{REDACTED}' and abc"


def test_an_object_keeps_its_structure_and_loses_its_credentials() -> None:
    environment = [
        {"name": "DB_PASSWORD", "value": "short"},
        {"name": "LOG_LEVEL", "value": "debug"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "azure", "key": "KEY"}}},
    ]
    agent = {
        "kind": "AgentDeployment",
        "metadata": {
            "name": "support",
            "managedFields": [{}],
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": '{"x":1}',
                "agent-operator.dev/config-map": "support-1",
            },
        },
        "spec": {
            "credentials": {"values": {"OPENAI_API_KEY": "abc"}},
            "env": environment,
            "apiKeys": {"secretKeyRef": {"name": "callers", "key": "keys"}},
        },
    }
    redacted = Redactor().object(agent)
    assert redacted["spec"]["credentials"] == {"values": {"OPENAI_API_KEY": REDACTED}}
    assert [it.get("value") for it in redacted["spec"]["env"]] == [REDACTED, "debug", None]
    assert redacted["spec"]["env"][2] == environment[2]
    assert redacted["spec"]["apiKeys"] == {"secretKeyRef": {"name": "callers", "key": "keys"}}
    assert redacted["metadata"]["annotations"] == {
        "kubectl.kubernetes.io/last-applied-configuration": REDACTED,
        "agent-operator.dev/config-map": "support-1",
    }
    assert "managedFields" not in redacted["metadata"]


def test_a_secret_keeps_only_the_names_of_its_keys() -> None:
    secret = {"kind": "Secret", "data": {"a": "eA==", "b": 1}, "stringData": {"c": "x"}, "type": "Opaque"}
    assert Redactor().object(secret) == {
        "kind": "Secret",
        "data": {"a": REDACTED, "b": REDACTED},
        "stringData": {"c": REDACTED},
        "type": "Opaque",
    }


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "A1b",
        "password=",
        "eyJ",
        "sk-",
        "://a:",
        "secret: ",
        " ",
        "-----BEGIN ",
        "0a",
        "=\\\"'",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "://",
        "a:b@",
        "a://b:",
        'password="',
        "--token ",
        "password:\n",
        "name: PASSWORD, value: ",
        "mysql ",
        "redis-cli ",
        "-u a:",
        "[token:[",
        "/hooks/",
        "?code=",
        "basic ",
    ],
)
def test_the_time_grows_with_the_size_of_the_text(unit: str) -> None:
    redactor = Redactor(["x" * 40])

    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        start = time.thread_time()
        redactor.text(text)
        return time.thread_time() - start

    small = max(seconds(20_000), 0.002)
    assert seconds(160_000) < 40 * small


def test_deep_objects_are_cut() -> None:
    value: object = "x"
    for _ in range(500):
        value = {"a": value}
    assert REDACTED in str(Redactor().object({"spec": value}))


def test_the_bundle_is_bounded() -> None:
    many = [{"kind": "Pod", "metadata": {"name": f"p{n}"}, "x": "y z " * 60_000} for n in range(6)]
    logs = [Log("logs/large.log", "line \n" * 400_000), *(Log(f"logs/{n}.log", "line") for n in range(300))]
    files = list(bundle.files({"objects/pods.yaml": many}, logs, {"doctor.txt": "fine"}, Redactor()))
    assert all(len(file.content) <= LARGEST_FILE for file in files)
    assert len(files) == MOST_FILES + 1
    assert [file.path for file in files[:2]] == ["doctor.txt", "objects/pods.yaml"]
    assert "# left out: Pod p" in files[1].content


def test_a_bundle_that_is_full_gets_no_more_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LARGEST_BUNDLE", 10)
    files = list(bundle.files({}, [Log("a", "12345678"), Log("b", "12345678"), Log("c", "1")], {}, Redactor()))
    assert [(file.path, file.content) for file in files] == [("a", "12345678"), ("INDEX.txt", "a\n")]
