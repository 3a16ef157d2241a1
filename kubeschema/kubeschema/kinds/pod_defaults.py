"""Defaults of pod specs."""

from typing import Any, Final

Object = dict[str, Any]

_POD: Final = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER: Final = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_PROBE: Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_MODE: Final = {"defaultMode": 0o644}
_WITH_MODE: Final = ("secret", "configMap", "downwardAPI", "projected")
_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")


def filled(obj: Object, defaults: Object) -> Object:
    """Set defaults. Returns the object itself if nothing changes."""
    missing = {key: value for key, value in defaults.items() if obj.get(key) is None}
    return {**obj, **missing} if missing else obj


def pod_spec(spec: Object) -> Object:
    """Set the defaults of a pod spec, including containers and volumes."""
    out = dict(spec)
    for key, value in _POD.items():
        if out.get(key) is None:
            out[key] = value
    host = bool(spec.get("hostNetwork"))
    for name in _CONTAINERS:
        if spec.get(name):
            out[name] = [container(item, host=host) for item in spec[name]]
    if spec.get("volumes"):
        out["volumes"] = [volume(item) for item in spec["volumes"]]
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        out["serviceAccountName"] = out["serviceAccount"] = account
    return out


def container(given: Object, *, host: bool = False) -> Object:
    """Set the defaults of a container; with host networking also its host ports."""
    out = filled(given, _CONTAINER)
    out = {**out} if out is given else out
    if not out.get("imagePullPolicy"):
        out["imagePullPolicy"] = pull_policy(given.get("image", ""))
    if given.get("ports"):
        out["ports"] = [_port(port, host=host) for port in given["ports"]]
    if given.get("env"):
        out["env"] = [_env(variable) for variable in given["env"]]
    for name in _PROBES:
        if given.get(name):
            out[name] = _probe(given[name])
    lifecycle = given.get("lifecycle")
    if lifecycle:
        # The signal is a text.
        out["lifecycle"] = {
            name: _handler(value) if isinstance(value, dict) else value for name, value in lifecycle.items()
        }
    return out


def _port(port: Object, *, host: bool) -> Object:
    defaults: Object = {"protocol": "TCP"}
    if host:
        defaults["hostPort"] = port.get("containerPort")
    return filled(port, defaults)


def pull_policy(image: str) -> str:
    """The default imagePullPolicy: Always for the tag latest, or without tag and digest."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    latest = tag == "latest" if colon else not digest
    return "Always" if latest else "IfNotPresent"


def _env(variable: Object) -> Object:
    source = variable.get("valueFrom")
    if not source or not source.get("fieldRef"):
        return variable
    return {**variable, "valueFrom": {**source, "fieldRef": filled(source["fieldRef"], {"apiVersion": "v1"})}}


def _probe(probe: Object) -> Object:
    return _handler(filled(probe, _PROBE))


def _handler(handler: Object) -> Object:
    if handler.get("httpGet"):
        return {**handler, "httpGet": filled(handler["httpGet"], {"path": "/", "scheme": "HTTP"})}
    if handler.get("grpc"):
        return {**handler, "grpc": filled(handler["grpc"], {"service": ""})}
    return handler


def volume(given: Object) -> Object:
    """Set the defaults of a volume. A volume without a source becomes an emptyDir."""
    if len(given) == 1:
        return {**given, "emptyDir": {}}
    out = dict(given)
    for name in _WITH_MODE:
        if given.get(name) is not None:
            out[name] = filled(given[name], _MODE)
    if given.get("hostPath"):
        out["hostPath"] = filled(given["hostPath"], {"type": ""})
    if "downwardAPI" in out:
        out["downwardAPI"] = _downward(out["downwardAPI"])
    if "projected" in out:
        sources = out["projected"].get("sources") or ()
        out["projected"] = {**out["projected"], "sources": [_source(source) for source in sources]}
    image = given.get("image")
    if image and not image.get("pullPolicy"):
        out["image"] = {**image, "pullPolicy": pull_policy(image.get("reference", ""))}
    return out


def _downward(source: Object) -> Object:
    items = source.get("items")
    if not items:
        return source
    reference = {"apiVersion": "v1"}
    named = [
        {**item, "fieldRef": filled(item["fieldRef"], reference)} if item.get("fieldRef") else item for item in items
    ]
    return {**source, "items": named}


def _source(source: Object) -> Object:
    if source.get("serviceAccountToken"):
        return {**source, "serviceAccountToken": filled(source["serviceAccountToken"], {"expirationSeconds": 3600})}
    if source.get("downwardAPI"):
        return {**source, "downwardAPI": _downward(source["downwardAPI"])}
    return source


def requests_from_limits(spec: Object) -> Object:
    """Default the requests of containers to their limits."""
    out = dict(spec)
    for name in ("containers", "initContainers"):
        if spec.get(name):
            out[name] = [_requests(item) for item in spec[name]]
    return out


def _requests(given: Object) -> Object:
    resources = given.get("resources") or {}
    limits, requests = resources.get("limits"), resources.get("requests") or {}
    if not limits or limits.keys() <= requests.keys():
        return given
    return {**given, "resources": {**resources, "requests": {**limits, **requests}}}


def qos_class(spec: Object) -> str:
    """The QoS class: Guaranteed, Burstable or BestEffort."""
    resources = [item.get("resources") or {} for name in _CONTAINERS[:2] for item in spec.get(name) or ()]
    limits = [given.get("limits") or {} for given in resources]
    requests = [given.get("requests") or {} for given in resources]
    if not any(given.get(name) for given in (*limits, *requests) for name in ("cpu", "memory")):
        return "BestEffort"
    pairs = zip(limits, requests, strict=True)
    whole = all(lim.get(name) and lim[name] == req.get(name) for lim, req in pairs for name in ("cpu", "memory"))
    return "Guaranteed" if whole else "Burstable"
