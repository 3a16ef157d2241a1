"""Maxima for the fields of the types of Kubernetes that our schemas contain. Kubernetes itself publishes none.

A table names a field, or TYPE.FIELD where fields of one name differ. `_STRINGS` also applies to the values of lists and
maps.
"""

from collections.abc import Mapping

from agent_operator.api import bounds


def _each(limit: int, fields: str) -> dict[str, int]:
    return dict.fromkeys(fields.split(), limit)


_STRINGS: Mapping[str, int] = {
    **_each(bounds.ARGUMENT, "args command EnvVar.value"),
    **_each(bounds.ANNOTATION_VALUE, "annotations userAnnotations"),
    # Kubernetes allows the same number.
    **_each(65_536, "gmsaCredentialSpec"),
    **_each(bounds.HEADER_VALUE, "HTTPHeader.value"),
    **_each(bounds.PATH, "path mountPath subPath subPathExpr workingDir devicePath terminationMessagePath"),
    **_each(bounds.PATH, "localhostProfile keyring secretFile directory volumePath"),
    **_each(bounds.PATH, "certificateChainPath credentialBundlePath keyPath"),
    **_each(bounds.URL, "diskURI gateway registry repository audience"),
    **_each(bounds.OPTION, "volumeAttributes options"),
    **_each(bounds.IDENTIFIER, "volumeID bindMountOptions fieldPath Sysctl.value runAsUserName MetricIdentifier.name"),
    **_each(bounds.IMAGE, "Container.image EphemeralContainer.image reference"),
    # A domain, a slash and a path of subdomains.
    **_each(571, "signerName"),
    **_each(bounds.QUALIFIED_NAME, "key topologyKey matchLabelKeys mismatchLabelKeys resourceName resource"),
    **_each(bounds.QUALIFIED_NAME, "conditionType finalizers resource Sysctl.name"),
    **_each(bounds.LABEL_VALUE, "labels matchLabels nodeSelector Toleration.value"),
    **_each(bounds.IP_OR_CIDR, "cidr except hostIP ip nameservers"),
    **_each(bounds.WORD, "accessModes action cachingMode dnsPolicy effect fsGroupChangePolicy fsType imagePullPolicy"),
    **_each(bounds.WORD, "keyType medium mode mountPropagation nodeAffinityPolicy nodeTaintsPolicy operator"),
    **_each(bounds.WORD, "preemptionPolicy procMount protocol pullPolicy recursiveReadOnly restartPolicy scheme"),
    **_each(bounds.WORD, "seLinuxChangePolicy selectPolicy stopSignal storageMode supplementalGroupsPolicy"),
    **_each(bounds.WORD, "terminationMessagePolicy volumeMode whenUnsatisfiable add drop"),
}

_ITEMS: Mapping[str, int] = {
    **_each(1_024, "args command"),
    **_each(512, "env items"),
    **_each(256, "volumes volumeMounts ports to from except values"),
    **_each(32, "readinessGates schedulingGates resourceClaims evictionResponders nameservers searches"),
}
_DEFAULT_ITEMS = 64

_ENTRIES: Mapping[str, int] = {"annotations": 256, "labels": 256}
_DEFAULT_ENTRIES = 64


def _limit(table: Mapping[str, int], type_name: str, field: str, default: int) -> int:
    return table.get(f"{type_name}.{field}", table.get(field, default))


def max_length(type_name: str, field: str) -> int:
    """Return the maximum length of a string. Most fields of Kubernetes are names."""
    return _limit(_STRINGS, type_name, field, bounds.DNS_SUBDOMAIN)


def max_items(type_name: str, field: str) -> int:
    """Return the maximum number of items of a list."""
    return _limit(_ITEMS, type_name, field, _DEFAULT_ITEMS)


def max_properties(type_name: str, field: str) -> int:
    """Return the maximum number of entries of a map."""
    return _limit(_ENTRIES, type_name, field, _DEFAULT_ENTRIES)
