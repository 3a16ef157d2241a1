"""kubectl as agentctl runs it."""

from pathlib import Path

import pytest

from agentctl.cluster import kubectl
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError


def test_a_refusal_is_kubectls_own_last_line(tmp_path: Path) -> None:
    kubectl = Kubectl(kubeconfig=str(tmp_path / "none"))

    with pytest.raises(CommandError) as refused:
        kubectl.run("get", "pods", "--request-timeout=1s")

    assert "\n" not in str(refused.value)
    assert not str(refused.value).startswith("error:")


def test_an_unknown_context_is_told(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")

    with pytest.raises(CommandError, match="nowhere"):
        Kubectl(kubeconfig=str(kubeconfig), context="nowhere").get("pods")


def test_without_kubectl_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    kubectl.binary.cache_clear()

    with pytest.raises(CommandError, match="kubectl was not found: install it"):
        Kubectl().run("version")
