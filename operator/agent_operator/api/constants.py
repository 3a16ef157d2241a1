"""Every name that clusters and users see; no literal of these elsewhere."""

GROUP = "agent-operator.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "AgentDeployment"
PLURAL = "agentdeployments"
SINGULAR = "agentdeployment"
SHORT_NAME = "agd"
CATEGORY = "agents"
CHANNEL_KIND = "AgentRuntimeChannel"
CHANNEL_PLURAL = "agentruntimechannels"
CHANNEL_SINGULAR = "agentruntimechannel"
CHANNEL_SHORT_NAME = "arc"

FIELD_MANAGER = "agent-operator"
FINALIZER = f"{GROUP}/children"

LABEL_NAME = "app.kubernetes.io/name"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_INSTANCE = "app.kubernetes.io/instance"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_APP = "app"
LABEL_AGENT = f"{GROUP}/agent"
LABEL_AGENT_NAMESPACE = f"{GROUP}/agent-namespace"
LABEL_OWNER_UID = f"{GROUP}/owner-uid"
LABEL_WORKLOAD_IDENTITY = "azure.workload.identity/use"
LABEL_NAMESPACE_NAME = "kubernetes.io/metadata.name"
LABEL_POD_SECURITY = "pod-security.kubernetes.io/enforce"

LABEL_REVISION = f"{GROUP}/revision"

ANNOTATION_ROLLOUT = f"{GROUP}/rollout"
ANNOTATION_MANIFEST_HASH = f"{GROUP}/manifest-hash"
ANNOTATION_INPUTS = f"{GROUP}/inputs"
ANNOTATION_CONFIG = f"{GROUP}/config-map"
ANNOTATION_RUNTIME_VERSION = f"{GROUP}/runtime-version"
ANNOTATION_SECRET_HASH = f"{GROUP}/secret-hash"
ANNOTATION_CLIENT_ID = "azure.workload.identity/client-id"
ANNOTATION_TENANT_ID = "azure.workload.identity/tenant-id"

APPLICATION = "agent-runtime"
MANAGER = "agent-operator"
CONTAINER = "agent"
COMPONENT_AGENT = "api"
COMPONENT_CHECKS = "checks"
HTTP_PORT = 8000
METRICS_PORT = 9090
CONFIG_DIRECTORY = "/app/config"
API_KEYS_DIRECTORY = "/app/api-keys"
API_KEYS_FILE = "keys"
# As agent.toml says it: relative to itself.
API_KEYS_PATH = "../api-keys/keys"

# A label value holds 63 characters; what is left is for the suffixes of children and for pod names.
MAX_NAME_LENGTH = 52


def config_map(agent: str, digest: str) -> str:
    """Name of the ConfigMap that holds this content."""
    return f"{agent}-config-{digest}"


def revision(agent: str, digest: str) -> str:
    """Name of the ControllerRevision that holds this revision."""
    return f"{agent}-{digest}"


def canary(agent: str) -> str:
    """Name of the canary's Deployment and Service, and value of its pods' label `app`."""
    return f"{agent}-canary"


def checks(agent: str, digest: str) -> str:
    """Name of the Job that checks this revision, and of the ConfigMap that holds the checks."""
    # The name of a Job becomes a label of its pods.
    return f"{agent[: 63 - len('-checks-') - len(digest)].rstrip('-')}-checks-{digest}"


def secret(agent: str) -> str:
    """Name of the Secret that holds the agent's credentials."""
    return f"{agent}-secrets"


def tls_secret(agent: str) -> str:
    """Name of the Secret that holds the Ingress's certificate, unless the CR names one."""
    return f"{agent}-tls"
