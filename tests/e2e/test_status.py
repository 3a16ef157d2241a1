"""The status names what is wrong, the field, and the remedy."""

from typing import Any

from tests.e2e.kubectl import Kubectl, make_agent
from tests.polling import eventually


def test_a_template_error_is_reported_and_running_children_do_not_change(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("prompt", systemPrompt={"text": "You help {{ team }}.", "variables": {"team": "billing"}}))
    before = eventually("the Deployment is created", lambda: kubectl.get("deploy", "prompt"))

    kubectl.apply(make_agent("prompt", systemPrompt={"text": "You help {{ team"}))

    condition = kubectl.wait_for_condition("prompt", "ConfigValid", "False", "PromptInvalid")
    assert "spec.systemPrompt.text" in condition["message"]
    after = kubectl.get("deploy", "prompt")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_a_missing_secret_is_named_until_it_is_created(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("keys", credentials={"secretRef": {"name": "keys-azure", "keys": ["OPENAI_API_KEY"]}}))
    condition = kubectl.wait_for_condition("keys", "SecretsReady", "False", "SecretMissing")
    assert "keys-azure" in condition["message"]

    kubectl.run("create", "secret", "generic", "keys-azure", "--from-literal=OTHER=x")
    condition = kubectl.wait_for_condition("keys", "SecretsReady", "False", "SecretKeyMissing", 90)
    assert "OPENAI_API_KEY" in condition["message"]
    kubectl.run(
        "patch", "secret", "keys-azure", "--type=merge", "-p", '{"stringData":{"OPENAI_API_KEY":"canary-1f3a"}}'
    )

    kubectl.wait_for_condition("keys", "SecretsReady", "True", "Found", 90)
    eventually("the Deployment is created", lambda: kubectl.get("deploy", "keys"))
    assert "canary-1f3a" not in kubectl.out("get", "agd,deploy,cm,events", "-o", "yaml")


def test_a_missing_prompt_is_named_until_it_is_created(kubectl: Kubectl) -> None:
    reference = {"configMapKeyRef": {"name": "prompts", "key": "support.txt"}}
    kubectl.apply(make_agent("prompted", systemPrompt=reference))
    condition = kubectl.wait_for_condition("prompted", "ConfigValid", "False", "PromptMissing")
    assert "prompts" in condition["message"]

    kubectl.run("create", "configmap", "prompts", "--from-literal=support.txt=You are kind.")

    kubectl.wait_for_condition("prompted", "ConfigValid", "True", "Valid", 90)
    eventually("the Deployment is created", lambda: kubectl.get("deploy", "prompted"))


def test_plain_credentials_cause_a_warning(kubectl: Kubectl) -> None:
    """The value is stored in a Secret, and not in a pod template, an Event or the status."""
    kubectl.apply(make_agent("plain", credentials={"values": {"OPENAI_API_KEY": "canary-77aa"}}))

    eventually("the Secret is created", lambda: kubectl.get("secret", "plain-secrets"))
    condition = eventually("a warning is reported", lambda: kubectl.condition("plain", "SecretsReady") or None)
    assert "canary" not in str(kubectl.get("agd", "plain")["status"])
    assert "canary" not in kubectl.out("get", "deploy,cm,events", "-o", "yaml")
    assert condition["status"] == "True"


def test_kubectl_get_shows_the_columns(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("columns"))
    eventually("the model is in the status", lambda: (kubectl.get("agd", "columns").get("status") or {}).get("model"))

    lines = kubectl.out("get", "agd", "-o", "wide").splitlines()

    assert lines[0].split() == ["NAME", "READY", "STATUS", "MODEL", "VERSION", "URL", "AGE"]
    assert "echo" in lines[1]
    assert "columns" in kubectl.out("get", "agents")


def test_kubectl_explain_shows_descriptions(cluster: Kubectl) -> None:
    words = cluster.out("explain", "agd.spec.ingress")

    assert "Ingress" in words
    assert "readTimeoutSeconds" in words
    assert "Default: 300" in words


def test_kubectl_explain_shows_the_fields_of_a_pod_template(cluster: Kubectl) -> None:
    assert "livenessProbe" in cluster.out("explain", "agd.spec.podTemplate.spec.containers")


def test_a_change_of_state_emits_one_event(kubectl: Kubectl) -> None:
    kubectl.apply(make_agent("noisy", credentials={"secretRef": {"name": "absent"}}))
    kubectl.wait_for_condition("noisy", "SecretsReady", "False", "SecretMissing")

    def ready_events() -> list[Any]:
        events = kubectl.list("events", fields="involvedObject.kind=AgentDeployment")
        return [event for event in events if event["reason"] == "SecretMissing"]

    eventually("the event is emitted", ready_events)
    kubectl.run("annotate", "agd", "noisy", "poke=1")
    kubectl.run("annotate", "agd", "noisy", "poke=2", "--overwrite")
    assert len(ready_events()) == 1
