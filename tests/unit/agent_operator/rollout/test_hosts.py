"""The hosts that are allowed while a revision runs that the spec does not describe."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.api.v1alpha1.rollout import CanaryStatus, Rollout, RolloutStatus
from agent_operator.inputs.agent_inputs import Inputs, Platform
from agent_operator.render import Rendered, Revision, render
from agent_operator.rollout.manifests import compose
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs

NOW = "2026-01-01T00:00:00Z"
OLD_HOST, NEW_HOST = "old.example.com", "new.example.com"


def inputs(host: str, *, fqdn_policies: bool = True) -> Inputs:
    model = {"name": "m", "provider": "openai", "model": "m", "baseUrl": f"https://{host}/v1"}
    spec = {"config": {"models": [model]}, "rollout": {"strategy": "Canary"}}
    body = {"metadata": {"name": "web", "namespace": "team", "uid": "u"}, "spec": spec}
    return Inputs(AgentDeployment.model_validate(body), platform=Platform(fqdn_policies=fqdn_policies))


def stored(host: str) -> Revision:
    """A revision that was stored while the option was off."""
    return render(inputs(host, fqdn_policies=False)).revision


def composed(agent: Inputs, old: Revision, *, is_canary: bool) -> Rendered:
    rendered = render(agent)
    name = rendered.revision.name
    canary = CanaryStatus(revision=name, step=0, weight=20, phase=CanaryPhase.STARTING, since=NOW)
    status = RolloutStatus(target=name, stable=old.name, canary=canary if is_canary else None)
    observed = RolloutInputs(name, "in", "spec", NOW, Rollout(strategy="Canary"))
    contents = {old.name: old, name: rendered.revision}
    return compose(agent, rendered, observed, status, contents).rendered


def allowed(rendered: Rendered) -> tuple[set[str], set[str]]:
    """Return the names of hosts, and the ranges of addresses."""
    manifests: dict[str, Any] = {it["kind"]: it["spec"] for it in rendered.manifests if "spec" in it}
    rules = manifests.get("CiliumNetworkPolicy", {}).get("egress", [])
    names = {host["matchName"] for rule in rules for host in rule.get("toFQDNs", [])}
    peers = [peer for rule in manifests["NetworkPolicy"].get("egress", []) for peer in rule["to"]]
    return names, {peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer}


@pytest.mark.parametrize("is_canary", [False, True])
def test_the_hosts_of_both_revisions_are_allowed(is_canary: bool) -> None:
    rendered = composed(inputs(NEW_HOST), stored(OLD_HOST), is_canary=is_canary)

    assert allowed(rendered) == ({OLD_HOST, NEW_HOST}, set())
    assert rendered.egress == "Hosts"


def test_a_revision_whose_hosts_are_not_known_keeps_its_addresses() -> None:
    old = replace(stored(OLD_HOST), config={"agent.toml": "schema = 99"})
    rendered = composed(inputs(NEW_HOST), old, is_canary=True)

    names, blocks = allowed(rendered)
    assert names == {NEW_HOST}
    assert {"0.0.0.0/0", "::/0"} <= blocks
    assert "169.254.0.0/16" not in blocks, "DNS passes the proxy"
    assert rendered.egress == "PublicAddresses"


def test_without_the_option_a_revision_that_was_stored_with_it_has_its_addresses() -> None:
    old = render(inputs(OLD_HOST)).revision
    rendered = composed(inputs(NEW_HOST, fqdn_policies=False), old, is_canary=True)

    assert allowed(rendered)[0] == set()
    assert "0.0.0.0/0" in allowed(rendered)[1]
    assert rendered.egress == "PublicAddresses"
