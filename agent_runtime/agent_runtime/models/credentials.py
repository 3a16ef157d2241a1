"""Access tokens of Microsoft Entra ID for requests to Azure OpenAI."""

from typing import TYPE_CHECKING

from agent_runtime.environment import Environment
from agent_runtime.health import UnhealthyError

if TYPE_CHECKING:
    from azure.identity.aio import ClientSecretCredential, WorkloadIdentityCredential

SCOPE = "https://cognitiveservices.azure.com/.default"


class EntraToken:
    """Gets access tokens. The credential caches a token and renews it before it expires, so calls are cheap."""

    def __init__(self, environment: Environment, scope: str = SCOPE) -> None:
        self._credential = _credential(environment)
        self._scope = scope

    async def __call__(self) -> str:
        """Return a token that is valid now.

        Raises:
            UnhealthyError: Entra ID issues none; the message names what to check.
        """
        from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415  (as below)

        try:
            return (await self._credential.get_token(self._scope)).token
        except ClientAuthenticationError:
            raise UnhealthyError(
                "Microsoft Entra ID refuses the credentials: check AZURE_TENANT_ID, AZURE_CLIENT_ID and "
                "AZURE_CLIENT_SECRET or the federated credential of the workload identity",
                "CredentialsRefused",
            ) from None
        except (AzureError, OSError, ValueError) as error:
            message = f"no token from Microsoft Entra ID: {type(error).__name__}"
            raise UnhealthyError(message, "TokenUnavailable") from None

    async def aclose(self) -> None:
        """Close the connection to Entra ID."""
        await self._credential.close()


def _credential(environment: Environment) -> "ClientSecretCredential | WorkloadIdentityCredential":
    """Return the credential of a client secret or of a workload identity, depending on which variables are set."""
    tenant, client = environment.azure_tenant_id, environment.azure_client_id
    secret, token_file = environment.azure_client_secret, environment.azure_federated_token_file
    if tenant is None or client is None or (secret is None and token_file is None):
        raise UnhealthyError(_missing_variables(environment), "NotConfigured")
    # Imported here: it takes 0.3 s, and an agent with an API key does not need it.
    from azure.identity.aio import ClientSecretCredential, WorkloadIdentityCredential  # noqa: PLC0415

    if secret is not None:
        return ClientSecretCredential(tenant, client, secret.get_secret_value())
    return WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=token_file)


def _missing_variables(environment: Environment) -> str:
    identity = {
        "AZURE_TENANT_ID": environment.azure_tenant_id,
        "AZURE_CLIENT_ID": environment.azure_client_id,
        "AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE, which Azure Workload Identity sets)": (
            environment.azure_client_secret or environment.azure_federated_token_file
        ),
    }
    missing = [name for name, value in identity.items() if value is None]
    if len(missing) == len(identity):
        return f"set AZURE_OPENAI_API_KEY; or {', '.join(missing)}"
    return f"set {', '.join(missing)}"
