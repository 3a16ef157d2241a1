"""Names that appear in clusters: API groups, labels, annotations, children. Other modules contain no such literals."""

from collections.abc import Mapping
from typing import Any

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
ANNOTATION_INGRESS_CLASS = "kubernetes.io/ingress.class"
DEFAULT_INGRESS_CLASS = "nginx"
ANNOTATION_ADOPT = f"{GROUP}/adopt"
ANNOTATION_MANIFEST_HASH = f"{GROUP}/manifest-hash"
ANNOTATION_INPUTS = f"{GROUP}/inputs"
ANNOTATION_CONFIG = f"{GROUP}/config-map"
ANNOTATION_RUNTIME_VERSION = f"{GROUP}/runtime-version"
ANNOTATION_SECRET_HASH = f"{GROUP}/secret-hash"
ANNOTATION_RESTARTED_AT = f"{GROUP}/restarted-at"
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
# The token of the pod for the API server, and its certificate authority.
API_SERVER_VOLUME: Mapping[str, Any] = {
    "name": "api-server",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ]
    },
}
# Ports of the resolvers, and of the DNS pods of OpenShift.
DNS_PORTS = frozenset({53, 5353})
# Tokens of the ServiceAccount for models and MCP servers.
TOKENS_VOLUME = "service-account-tokens"
TOKENS_DIRECTORY = "/var/run/secrets/agent-operator.dev/tokens"
API_KEYS_DIRECTORY = "/app/api-keys"
API_KEYS_FILE = "keys"
PRICES_DIRECTORY = "/app/prices"
PRICES_FILE = "prices.toml"
TRUSTED_CA_DIRECTORY = "/app/trusted-ca"
TRUSTED_CA_FILE = "ca.crt"
MODEL_CA_DIRECTORY = "/app/model-ca"
# Path in agent.toml, relative to the file.
API_KEYS_PATH = "../api-keys/keys"

# CoreDNS of kubeadm and of most providers, that of OpenShift, and a cache on the node with a link-local address.
DNS_RESOLVERS = (
    "kube-system/k8s-app=kube-dns",
    "kube-system/k8s-app=coredns",
    "openshift-dns",
    "169.254.0.0/16",
)

# OWNER is the owner of the repository, as in docs/how-to/verify-release.md.
RUNBOOKS = "https://github.com/OWNER/agent-operator/blob/main/docs/runbooks"

# A label value has at most 63 characters. The rest is for the suffixes of children and pods.
MAX_NAME_LENGTH = 52
# The name of every ConfigMap that the operator creates contains one of these.
CONFIG_MAP_INFIXES = ("-config-", "-checks-")


def config_map(agent: str, digest: str) -> str:
    """Return the name of the ConfigMap with this content."""
    return f"{agent}-config-{digest}"


def dashboard(agent: str) -> str:
    """Return the name of the ConfigMap with the dashboard of the agent."""
    return f"{agent}-dashboard"


def revision(agent: str, digest: str) -> str:
    """Return the name of the ControllerRevision of this revision."""
    return f"{agent}-{digest}"


def canary(agent: str) -> str:
    """Return the name of the Deployment and Service of the canary, and the value of the label `app` of its pods."""
    return f"{agent}-canary"


def checks(agent: str, digest: str) -> str:
    """Return the name of the Job that checks this revision, and of the ConfigMap with the checks."""
    # The name of a Job becomes a label value of its pods.
    return f"{agent[: 63 - len('-checks-') - len(digest)].rstrip('-')}-checks-{digest}"


def secret(agent: str) -> str:
    """Return the name of the Secret with the credentials of the agent."""
    return f"{agent}-secrets"


def tls_secret(agent: str) -> str:
    """Return the default name of the Secret with the certificate of the Ingress."""
    return f"{agent}-tls"
