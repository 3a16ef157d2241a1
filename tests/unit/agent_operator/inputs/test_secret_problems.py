"""Messages about missing Secrets, missing keys, and External Secrets that cannot sync."""

from typing import Any

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.secret_problems import secret_problem, sync_problem
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


def test_missing_secret_is_reported_with_namespace_and_field() -> None:
    found = secret_problem(inputs(secretRef={"name": "azure"}), {AZURE: None})

    assert found is not None
    assert found.reason == "SecretMissing"
    assert str(found) == (
        "spec.credentials.secretRef.name: Secret team/azure does not exist: create it or correct the name"
    )


def test_missing_keys_are_reported_except_optional_ones() -> None:
    found = secret_problem(inputs(secretRef={"name": "azure", "keys": ["A", "B", "C"]}), {AZURE: {"B"}})

    assert found is not None
    assert (found.reason, "lacks A, C:" in found.message) == ("SecretKeyMissing", True)
    assert secret_problem(inputs(secretRef={"name": "azure"}), {AZURE: set()}) is None


def test_missing_secret_of_external_secrets_points_to_its_status() -> None:
    for keys in (None, {"TOKEN"}):
        found = secret_problem(inputs(externalSecret=VAULT), {Ref("Secret", "team", "bot-secrets"): keys})
        assert found is not None
        assert found.reason == "SecretNotSynced"
        assert "Secret team/bot-secrets" in found.message
        assert "ExternalSecret bot-secrets" in found.message
    assert found is not None
    assert "lacks OPENAI_API_KEY:" in found.message


def test_missing_external_secrets_api_is_reported_with_a_remedy() -> None:
    found = sync_problem(inputs(externalSecret=VAULT), {}, served=False)

    assert found is not None
    assert found.reason == "ExternalSecretsMissing"
    assert "externalsecrets.external-secrets.io" in found.message
    assert "install" in found.message


def test_errors_of_store_and_external_secret_are_quoted_in_this_order() -> None:
    broken = live("ExternalSecret", "bot-secrets", "False", "SecretSyncedError", "store \n not ready")
    broken |= live("SecretStore", "bot", "False", "InvalidProviderConfig", "AADSTS70021")

    found = sync_problem(inputs(externalSecret=VAULT), broken, served=True)

    assert found is not None
    assert str(found) == (
        "SecretStore team/bot is not ready: InvalidProviderConfig: AADSTS70021; "
        "ExternalSecret team/bot-secrets is not ready: SecretSyncedError: store not ready"
    )


def test_synced_secret_and_foreign_store_are_no_problem() -> None:
    synced = live("ExternalSecret", "bot-secrets", "True", "SecretSynced", "")
    others = live("SecretStore", "bot", "False", "InvalidProviderConfig", "no")

    assert sync_problem(inputs(externalSecret=STORE), synced | others, served=True) is None
    assert sync_problem(inputs(externalSecret=STORE), {}, served=True) is None
    assert sync_problem(inputs(secretRef={"name": "azure"}), {}, served=False) is None


def test_long_message_is_truncated() -> None:
    broken = live("ExternalSecret", "bot-secrets", "False", "SecretSyncedError", "x" * 100_000)

    found = sync_problem(inputs(externalSecret=STORE), broken, served=True)

    assert found is not None
    assert len(found.message) < 2000
