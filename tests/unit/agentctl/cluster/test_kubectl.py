"""Running kubectl, and its errors."""

from pathlib import Path

import pytest

from agentctl.cluster import kubectl
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError


def test_an_error_is_the_last_line_of_kubectl(tmp_path: Path) -> None:
    kubectl = Kubectl(kubeconfig=str(tmp_path / "none"))

    with pytest.raises(CommandError) as error:
        kubectl.run("get", "pods", "--request-timeout=1s")

    assert "\n" not in str(error.value)
    assert not str(error.value).startswith("error:")


def test_an_unknown_context_is_named_in_the_error(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")

    with pytest.raises(CommandError, match="nowhere"):
        Kubectl(kubeconfig=str(kubeconfig), context="nowhere").get("pods")


def test_a_missing_kubectl_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    kubectl.binary.cache_clear()

    with pytest.raises(CommandError, match="kubectl not found in PATH: install it"):
        Kubectl().run("version")


@pytest.mark.parametrize(
    ("context", "option", "expected"),
    [
        ("{cluster: c, namespace: team}", "", "team"),
        ("{cluster: c}", "", "default"),
        ("{namespace: team}", "own", "own"),
    ],
)
def test_the_namespace_is_that_of_the_option_or_the_context(
    tmp_path: Path, context: str, option: str, expected: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://localhost'}}]\n"
        f"current-context: x\ncontexts: [{{name: x, context: {context}}}]\n"
    )

    assert Kubectl(kubeconfig=str(kubeconfig), namespace=option).default_namespace() == expected


def test_without_a_context_the_namespace_is_default(tmp_path: Path) -> None:
    assert Kubectl(kubeconfig=str(tmp_path / "none")).default_namespace() == "default"
