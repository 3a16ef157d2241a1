"""`agentctl new`: the AgentDeployment that options and answers give, and the errors."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentctl.__main__ import run
from agentctl.offline import draft
from tests import fast_yaml as yaml

Agentctl = Callable[..., Any]
AZURE = ("--provider", "azure_openai", "--deployment", "gpt-4o")


@pytest.mark.parametrize(
    ("options", "spec"),
    [
        (("--provider", "echo"), {"config": {"models": [{"name": "echo", "provider": "echo"}]}}),
        (
            (*AZURE, "--endpoint", "https://x.openai.azure.com", "--secret", "azure", "--replicas", "3"),
            {
                "replicas": 3,
                "config": {
                    "models": [
                        {
                            "name": "gpt-4o",
                            "provider": "azure_openai",
                            "deployment": "gpt-4o",
                            "endpoint": "https://x.openai.azure.com",
                        }
                    ]
                },
                "credentials": {"secretRef": {"name": "azure", "keys": ["AZURE_OPENAI_API_KEY"]}},
            },
        ),
        (
            ("--provider", "openai", "--model", "meta-llama/Llama 3", "--endpoint", "http://vllm.models.svc:8000/v1"),
            {
                "config": {
                    "models": [
                        {
                            "name": "Llama-3",
                            "provider": "openai",
                            "model": "meta-llama/Llama 3",
                            "baseUrl": "http://vllm.models.svc:8000/v1",
                        }
                    ]
                }
            },
        ),
        (
            (
                *("--provider", "echo", "--prompt", "Hi.", "--replicas", "2", "--max-replicas", "5", "--chat-page"),
                *("--host", "a.example.com", "--ingress-class", "nginx"),
            ),
            {
                "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
                "systemPrompt": {"text": "Hi."},
                "config": {"models": [{"name": "echo", "provider": "echo"}], "chatPage": {"enabled": True}},
                "ingress": {"host": "a.example.com", "className": "nginx"},
            },
        ),
    ],
    ids=["echo", "azure", "openai", "exposed"],
)
def test_options_give_an_agent_that_is_valid(
    options: tuple[str, ...], spec: Any, agentctl: Agentctl, write_file: Callable[..., Path]
) -> None:
    result = agentctl("new", "support", *options, "--namespace", "team")

    assert result.status == 0, result.err
    found = yaml.safe_load(result.out)
    assert found["spec"] == spec
    assert found["metadata"] == {"name": "support", "namespace": "team"}
    assert agentctl("validate", write_file(result.out)).status == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no name: specify the name of the agent"),
        (("support",), "no provider: add --provider with one of azure_openai, openai, echo"),
        (("support", "--provider", "azure_openai"), "requires --deployment"),
        (("support", "--provider", "openai"), "requires --model"),
        (("support", "--provider", "mistral"), "Invalid value for '--provider'"),
        (("Support", "--provider", "echo"), "the name (metadata.name): "),
        (("support", "--provider", "echo", "--host", "UPPER"), "--host (spec.ingress.host): "),
        (("support", *AZURE, "--endpoint", "no-url"), "--endpoint (spec.config.models[0].endpoint): "),
        (("support", "--provider", "echo", "--prompt", "{% for a in b %}{% endfor %}"), "--prompt (spec.systemPrompt"),
        (
            ("support", "--provider", "echo", "--replicas", "5", "--max-replicas", "2"),
            "--max-replicas (spec.autoscaling",
        ),
        (("support", "--provider", "echo", "--prompt", "a", "--prompt-file", __file__), "cannot be combined"),
    ],
)
def test_an_error_names_the_option(options: tuple[str, ...], message: str, agentctl: Agentctl) -> None:
    result = agentctl("new", *options)

    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_a_file_is_not_replaced_without_force(agentctl: Agentctl, tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    command = ("new", "support", *AZURE, "--secret", "azure", "--output-file", str(path))

    first = agentctl(*command)
    again = agentctl(*command)

    assert (first.status, first.out) == (0, "")
    assert "create the Secret: kubectl create secret generic azure --from-file=AZURE_OPENAI_API_KEY=" in first.err
    assert f"wrote {path}: kubectl apply -f {path}" in first.err
    assert (again.status, f"{path} exists: choose another --output-file" in again.err) == (1, True)
    assert agentctl(*command, "--force").status == 0


def test_a_terminal_is_asked_for_what_the_options_leave_open(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    # The name, again after its error, and: deployment, endpoint, secret, prompt, replicas, host, chat page.
    answers = ["Support", "gpt-4o", "", "azure", "", "3", "", "y", "support"]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(answers) + "\n"))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    status = run(["new", "--provider", "azure_openai"])

    out, err = capsys.readouterr()
    assert status == 0, err
    found = yaml.safe_load(out)
    assert found["metadata"]["name"] == "support"
    assert found["spec"]["config"]["chatPage"] == {"enabled": True}
    assert found["spec"]["replicas"] == 3
    assert "Provider of the model" not in err
    assert "error: the name (metadata.name): " in err


def test_a_field_that_no_option_sets_has_no_option() -> None:
    assert draft.option_of("spec.unknown") == ""
