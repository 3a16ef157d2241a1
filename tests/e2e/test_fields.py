"""Fields that real clusters need have their effect in a cluster."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, make_agent
from tests.integration.agent_runtime.certificate import write_certificate


@pytest.mark.kubelet
def test_an_agent_of_a_company_network_runs(kubectl: Kubectl, tmp_path: Path) -> None:
    """Its pods start with a proxy, an authority and all addresses. Every child has the common labels."""
    certificate = write_certificate(tmp_path / "ca.pem").read_text().partition("-----BEGIN PRIVATE KEY")[0]
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "corporate"},
        "data": {"ca.crt": certificate},
    }
    spec: dict[str, Any] = {
        "proxy": {"httpsProxy": "http://proxy.example.com:3128", "noProxy": [".example.com"]},
        "trustedCA": {"configMapKeyRef": {"name": "corporate"}},
        "env": [{"name": "LISTEN_ADDRESS", "value": "::"}],
        "commonLabels": {"cost-center": "support"},
        "commonAnnotations": {"example.com/owner": "team-a"},
        "ingress": {"hosts": [{"host": "*.example.com"}, {"host": "a.example.org"}], "className": ""},
    }
    kubectl.apply(config_map, make_agent("office", **spec))

    kubectl.wait_for_condition("office", "Ready", "True", "Ready", 90)
    children = kubectl.children("office")
    labelled = kubectl.list("sa,cm,deploy,svc,ing,pdb,netpol", labels="cost-center=support")
    assert {(item["kind"], item["metadata"]["name"]) for item in labelled} == set(children)
    assert {item["metadata"]["annotations"]["example.com/owner"] for item in labelled} == {"team-a"}
    assert kubectl.list("pods", labels="cost-center=support")
    assert "3128" in str(children["NetworkPolicy", "office"]["spec"]["egress"])
    agent = kubectl.get("agd", "office") or {}
    assert agent["status"]["url"] == "http://a.example.org/"
