"""What keeps pods from signing in to Azure is told, one after the other, until nothing is left to tell."""

from typing import Any

ECHO = {"models": [{"name": "echo", "provider": "echo"}]}
MINE = {"azureWorkloadIdentity": {"clientId": "client-1"}, "serviceAccount": {"name": "mine"}}


async def test_the_warning_leads_through_what_is_missing(world: Any, until: Any) -> None:
    """A cluster without the webhook, and an account of the user's own."""
    async with world.operator():
        await world.api.agent(replicas=1, config=ECHO, identity=MINE)
        await world.api.until_reason("Warning", "ServiceAccountMissing")

        await world.api.create("ServiceAccount", {"metadata": {"name": "mine"}})
        warning = await world.api.until_reason("Warning", "IdentityNotAnnotated")
        assert f"-n {world.api.namespace} mine azure.workload.identity/client-id=client-1" in warning["message"]

        annotations = {"azure.workload.identity/client-id": "client-1"}
        await world.api.merge("ServiceAccount", "mine", {"metadata": {"annotations": annotations}})
        warning = await world.api.until_reason("Warning", "IdentityTokenMissing")
        assert "1 of 1 pods have no token" in warning["message"]

        # As the webhook would do it.
        token = {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/secrets/azure/tokens/azure-identity-token"}
        await world.api.agent(replicas=1, config=ECHO, identity=MINE, env=[token])

        async def told_nothing_of_it() -> bool:
            said = await world.api.condition("Warning")
            return (await world.api.condition("Ready")).get("status") == "True" and "Identity" not in str(said)

        await until(told_nothing_of_it)
