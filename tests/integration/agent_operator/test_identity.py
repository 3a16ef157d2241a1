"""A warning names each missing prerequisite of Azure workload identity in turn."""

from tests.integration.agent_operator.cluster import Cluster
from tests.polling import wait_until

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
MINE = {"azureWorkloadIdentity": {"clientId": "client-1"}, "serviceAccount": {"name": "mine"}}


async def test_the_warning_names_each_missing_prerequisite(cluster: Cluster) -> None:
    """A cluster without the webhook, and a ServiceAccount of the user."""
    async with cluster.operator():
        await cluster.api.apply_agent(replicas=1, config=ECHO, identity=MINE)
        await cluster.api.wait_for_reason("Warning", "ServiceAccountMissing")

        await cluster.api.create("ServiceAccount", {"metadata": {"name": "mine"}})
        warning = await cluster.api.wait_for_reason("Warning", "IdentityNotAnnotated")
        assert f"-n {cluster.api.namespace} mine azure.workload.identity/client-id=client-1" in warning["message"]

        annotations = {"azure.workload.identity/client-id": "client-1"}
        await cluster.api.merge("ServiceAccount", "mine", {"metadata": {"annotations": annotations}})
        warning = await cluster.api.wait_for_reason("Warning", "IdentityTokenMissing")
        assert "1 of 1 pods have no token" in warning["message"]

        # As the webhook does.
        token = {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/secrets/azure/tokens/azure-identity-token"}
        await cluster.api.apply_agent(replicas=1, config=ECHO, identity=MINE, env=[token])

        async def warning_is_gone() -> bool:
            warning = await cluster.api.condition("Warning")
            return (await cluster.api.condition("Ready")).get("status") == "True" and "Identity" not in str(warning)

        await wait_until(warning_is_gone)
