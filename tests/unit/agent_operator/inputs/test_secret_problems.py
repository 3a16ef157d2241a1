"""What is said of credentials that are not there, and of External Secrets that does not bring them."""

from typing import Any

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.secret_problems import fault, sync_trouble
from agent_operator.kube.objects import Live, Ref, pack
from agent_operator.render import Inputs

VAULT = {"azureKeyVault": {"vaultUrl": "https://kv.vault.azure.net"}, "data": {"OPENAI_API_KEY": "key", "TOKEN": "t"}}
AZURE = Ref("Secret", "team", "azure")
STORE = {"secretStoreRef": {"name": "vault"}, "data": {"OPENAI_API_KEY": "key"}}


def inputs(**credentials: Any) -> Inputs:
    spec = {"config": {"models": [{"name": "e", "provider": "echo"}]}, "credentials": credentials}
    return Inputs(AgentDeployment.model_validate({"metadata": {"name": "bot", "namespace": "team"}, "spec": spec}))


def live(kind: str, name: str, status: str, reason: str, message: str) -> dict[Ref, Live]:
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
    obj = {"metadata": {"name": name, "namespace": "team"}, "status": {"conditions": [condition]}}
    return {Ref(kind, "team", name): pack(kind, obj)}


def test_a_missing_secret_is_named_with_its_namespace_and_field() -> None:
    found = fault(inputs(secretRef={"name": "azure"}), {AZURE: None})

    assert found is not None
    assert found.reason == "SecretMissing"
    assert str(found) == (
        "spec.credentials.secretRef.name: Secret team/azure does not exist: create it, or correct the name"
    )


def test_every_missing_key_is_named_and_no_optional_one() -> None:
    found = fault(inputs(secretRef={"name": "azure", "keys": ["A", "B", "C"]}), {AZURE: {"B"}})

    assert found is not None
    assert (found.reason, "lacks A, C:" in found.message) == ("SecretKeyMissing", True)
    assert fault(inputs(secretRef={"name": "azure"}), {AZURE: set()}) is None


def test_a_secret_that_external_secrets_makes_is_not_asked_of_the_user() -> None:
    for keys in (None, {"TOKEN"}):
        found = fault(inputs(externalSecret=VAULT), {Ref("Secret", "team", "bot-secrets"): keys})
        assert found is not None
        assert found.reason == "SecretNotSynced"
        assert "Secret team/bot-secrets" in found.message
        assert "ExternalSecret bot-secrets" in found.message
    assert found is not None
    assert "lacks OPENAI_API_KEY:" in found.message


def test_external_secrets_that_is_not_installed_is_told_with_a_remedy() -> None:
    found = sync_trouble(inputs(externalSecret=VAULT), {}, served=False)

    assert found is not None
    assert found.reason == "ExternalSecretsMissing"
    assert "externalsecrets.external-secrets.io" in found.message
    assert "install" in found.message


def test_the_error_of_external_secrets_is_told_in_its_words_and_the_stores_first() -> None:
    broken = live("ExternalSecret", "bot-secrets", "False", "SecretSyncedError", "store \n not ready")
    broken |= live("SecretStore", "bot", "False", "InvalidProviderConfig", "AADSTS70021")

    found = sync_trouble(inputs(externalSecret=VAULT), broken, served=True)

    assert found is not None
    assert str(found) == (
        "SecretStore team/bot is not ready: InvalidProviderConfig: AADSTS70021; "
        "ExternalSecret team/bot-secrets is not ready: SecretSyncedError: store not ready"
    )


def test_a_store_of_others_is_not_looked_at_and_a_synced_secret_is_no_trouble() -> None:
    fine = live("ExternalSecret", "bot-secrets", "True", "SecretSynced", "")
    others = live("SecretStore", "bot", "False", "InvalidProviderConfig", "no")

    assert sync_trouble(inputs(externalSecret=STORE), fine | others, served=True) is None
    assert sync_trouble(inputs(externalSecret=STORE), {}, served=True) is None
    assert sync_trouble(inputs(secretRef={"name": "azure"}), {}, served=False) is None


def test_an_endless_message_is_cut() -> None:
    broken = live("ExternalSecret", "bot-secrets", "False", "SecretSyncedError", "x" * 100_000)

    found = sync_trouble(inputs(externalSecret=STORE), broken, served=True)

    assert found is not None
    assert len(found.message) < 2000
