"""spec.credentials, spec.apiKeys and spec.env: from variables, ExternalSecrets and mounted Secrets. Reads no value."""

from collections import Counter
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any

from agent_operator.inputs.credentials import RESERVED
from agentctl.conversion.findings import Finding, changed, lost
from agentctl.conversion.manifests import Manifest
from agentctl.conversion.parts import Part, present
from agentctl.conversion.workload import AGENT_FIELD, Workload
from agentctl.objects import Object, nested_field

# The variables that the operator reads from a Secret without `keys`, if the Secret has them.
_WELL_KNOWN = frozenset(
    {"AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"}
    | {"OPENAI_API_KEY", "REDIS_PASSWORD"}
)


def credentials(workload: Workload, account: str) -> Part:
    """Return credentials and env.

    Args:
        workload: the Deployment and its objects.
        account: name of the ServiceAccount that the operator creates; empty if the pods use an existing one.
    """
    variables = [item for item in workload.container.get("env") or () if item.get("name") not in RESERVED]
    chosen = _secret(variables)
    covered: set[str] = set()
    part = Part()
    if chosen:
        references = [item for item in variables if _key_of(item, chosen)]
        part, covered = _source(workload, chosen, references, account)
    env = [item for item in variables if item["name"] not in covered]
    plain = [manifest for manifest in workload.of_kind("Secret") if _is_read(workload, manifest.name)]
    external = {manifest.name for manifest in part.replaced if manifest.kind == "ExternalSecret"}
    stays = [(item, "the pods read it") for item in plain if item.name not in external]
    spec = {**part.spec, **({"env": env} if env else {})}
    return Part(spec, (*part.findings, *_reserved(workload)), part.replaced, (*part.stays, *stays), part.expected)


def _secret(variables: list[Object]) -> str | None:
    """Return the Secret from which most variables with the name of their key come."""
    names = Counter(
        name
        for item in variables
        if isinstance(name := nested_field(item, "valueFrom", "secretKeyRef", "name"), str) and _key_of(item, name)
    )
    return names.most_common(1)[0][0] if names else None


def _key_of(variable: Object, secret: str) -> bool:
    reference = nested_field(variable, "valueFrom", "secretKeyRef")
    if not isinstance(reference, dict):
        return False
    return reference.get("name") == secret and reference.get("key") == variable.get("name")


def _source(workload: Workload, secret: str, references: list[Object], account: str) -> tuple[Part, set[str]]:
    optional = {item["name"] for item in references if nested_field(item, "valueFrom", "secretKeyRef", "optional")}
    names = [item["name"] for item in references]
    external = _external(workload, secret)
    if external is not None:
        converted = _converted(workload, external, names, account)
        if converted is not None:
            return converted, set(names)
    stays = () if external is None else ((external, _why_external_stays(external, names)),)
    if len(optional) == len(names) and optional <= _WELL_KNOWN:
        return Part({"credentials": {"secretRef": {"name": secret}}}, stays=stays), set(names)
    keys = [name for name in names if name not in optional]
    spec = {"credentials": {"secretRef": {"name": secret, "keys": keys}}} if keys else {}
    return Part(spec, stays=stays), set(keys)


def _external(workload: Workload, secret: str) -> Manifest | None:
    """Return the ExternalSecret that writes a Secret."""
    found = workload.of_kind("ExternalSecret")
    return next((item for item in found if (nested_field(item.spec, "target", "name") or item.name) == secret), None)


def _converted(workload: Workload, external: Manifest, names: list[str], account: str) -> Part | None:
    """Return credentials.externalSecret; None if it cannot express the ExternalSecret or lacks a variable."""
    data = _simple_data(external)
    reference = nested_field(external.spec, "secretStoreRef")
    if data is None or set(data) != set(names) or not isinstance(nested_field(reference, "name"), str):
        return None
    vault = (
        _vault(workload, reference["name"], account) if reference.get("kind", "SecretStore") == "SecretStore" else None
    )
    ordered = {name: data[name] for name in names}
    source = (
        {"azureKeyVault": vault[0]}
        if vault
        else {"secretStoreRef": present({"name": reference["name"], "kind": reference.get("kind")})}
    )
    spec = {
        "credentials": {
            "externalSecret": source
            | present({"refreshInterval": external.spec.get("refreshInterval")})
            | {"data": ordered}
        }
    }
    replaced = (external, *((vault[1],) if vault else ()))
    expected = [(external, _renamed(workload, external)), *(((vault[1], vault[1].body),) if vault else ())]
    return Part(spec, replaced=replaced, expected=tuple(expected))


def _renamed(workload: Workload, external: Manifest) -> Object:
    target = {key: value for key, value in (external.spec.get("target") or {}).items() if key != "name"}
    return external.body | {"spec": external.spec | {"target": target | {"name": f"{workload.name}-secrets"}}}


def _simple_data(external: Manifest) -> dict[str, str] | None:
    """Return keys and remote names; None if the ExternalSecret uses more than these."""
    items = external.spec.get("data")
    if not isinstance(items, list) or set(external.spec) - {"data", "refreshInterval", "secretStoreRef", "target"}:
        return None
    target = external.spec.get("target") or {}
    if not isinstance(target, dict) or set(target) - {"name", "creationPolicy"}:
        return None
    pairs = [(nested_field(item, "secretKey"), nested_field(item, "remoteRef")) for item in items]
    if any(not isinstance(key, str) or not isinstance(remote, dict) or set(remote) != {"key"} for key, remote in pairs):
        return None
    return {key: remote["key"] for key, remote in pairs}


def _vault(workload: Workload, store: str, account: str) -> tuple[Object, Manifest] | None:
    """Return the Key Vault of a SecretStore; None if the store is shared, unknown or of another kind."""
    found = workload.find("SecretStore", store)
    users = [
        item
        for item in workload.of_kind("ExternalSecret")
        if nested_field(item.spec, "secretStoreRef", "name") == store
    ]
    vault = nested_field(found.spec, "provider", "azurekv") if found else None
    if found is None or not isinstance(vault, dict) or len(users) != 1 or set(found.spec) != {"provider"}:
        return None
    identity = nested_field(vault, "serviceAccountRef")
    by_account = vault.get("authType") == "WorkloadIdentity" and account and identity == {"name": account}
    if not (by_account or vault.get("authType") == "ManagedIdentity") or set(vault) - {
        "authType",
        "vaultUrl",
        "serviceAccountRef",
    }:
        return None
    kind = None if by_account else "ManagedIdentity"
    name = None if found.name == workload.name else found.name
    return present({"vaultUrl": vault.get("vaultUrl"), "authType": kind, "storeName": name}), found


def _why_external_stays(external: Manifest, names: list[str]) -> str:
    data = _simple_data(external)
    if data is None:
        return "spec.credentials.externalSecret cannot express it, so the agent reads the Secret that it writes"
    missing = [name for name in names if name not in data]
    if missing:
        return f"the pods read {', '.join(missing)}, which it does not write, so the agent reads the Secret itself"
    return "it writes keys that the pods do not read, so the agent reads the Secret itself"


def _is_read(workload: Workload, name: str) -> bool:
    """Report whether the pods reference a Secret anywhere."""
    return _mentions(workload.pod, name)


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        return any(
            (key in ("name", "secretName") and item == name) or _mentions(item, name) for key, item in value.items()
        )
    return isinstance(value, list) and any(_mentions(item, name) for item in value)


def _reserved(workload: Workload) -> tuple[Finding, ...]:
    """Return the variables that only the operator may set. LOG_LEVEL becomes spec.config.logLevel."""
    findings = []
    for number, item in enumerate(workload.container.get("env") or ()):
        name = item.get("name")
        field, position = f"{AGENT_FIELD}.env[{name}]", f"spec.template.spec.containers[{workload.index}].env[{number}]"
        if name == "LOG_LEVEL" and not isinstance(item.get("value"), str):
            reason = "the operator sets it from spec.config.logLevel, which takes no reference: set the level there"
            findings.append(lost(workload.deployment, field, reason, position))
        elif name in ("PORT_HTTP", "PORT_METRICS", "LISTEN_ADDRESS"):
            reason = "probes, Service and NetworkPolicy of the operator rely on the default: nothing to do"
            findings.append(changed(workload.deployment, field, reason, position))
    return tuple(findings)


def api_keys(workload: Workload, config: Object) -> Part:
    """Return apiKeys, and the config without server.apiKeysFile, which apiKeys sets."""
    path = nested_field(config, "server", "apiKeysFile")
    directory = next(
        (
            item["mountPath"]
            for item in workload.container.get("volumeMounts") or ()
            if item["name"] in workload.config_volumes
        ),
        "/app/config",
    )
    found = _mounted_key(workload, normpath(str(PurePosixPath(directory) / path))) if isinstance(path, str) else None
    if found is None:
        return Part()
    server = {key: value for key, value in config["server"].items() if key != "apiKeysFile"}
    rest = {key: value for key, value in config.items() if key != "server"} | ({"server": server} if server else {})
    return Part({"config": rest, "apiKeys": {"secretKeyRef": found}})


def _mounted_key(workload: Workload, file: str) -> Object | None:
    """Return the key of a Secret that is mounted as a file."""
    volumes = {volume["name"]: volume.get("secret") for volume in workload.pod.get("volumes") or ()}
    for mount in workload.container.get("volumeMounts") or ():
        secret, place = volumes.get(mount["name"]), mount["mountPath"].rstrip("/")
        if secret is None or not f"{file}/".startswith(f"{place}/"):
            continue
        name = mount.get("subPath") or file.removeprefix(f"{place}/")
        items = {item["path"]: item["key"] for item in secret.get("items") or ()}
        return {"name": secret.get("secretName"), "key": items.get(name, name)}
    return None
