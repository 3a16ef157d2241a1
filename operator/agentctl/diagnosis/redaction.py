"""Removes what is, or looks like, a credential from objects and texts. Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from agent_operator.api import constants
from agent_operator.kube.shapes import mapping
from agentctl.diagnosis.credential_names import is_credential
from agentctl.diagnosis.credential_texts import REDACTED, without_credentials
from agentctl.diagnosis.known_values import KnownValues
from agentctl.objects import Object

_DEPTH = 64
# Fields and maps whose names match, although they contain no value of a credential.
_STRUCTURE = frozenset(
    {"secretName", "secretKeyRef", "secretRef", "secretKey", "key", "secrets", "credentials", "tokens", "secret"}
)
# Annotations that support needs. Others may contain a whole object, as kubectl and kapp write it, or anything else.
_ANNOTATIONS = re.compile(
    rf"({re.escape(constants.GROUP)}|deployment\.kubernetes\.io|azure\.workload\.identity|eks\.amazonaws\.com"
    r"|iam\.gke\.io|cert-manager\.io|prometheus\.io|meta\.helm\.sh|argocd\.argoproj\.io|cluster-autoscaler\.kubernetes\.io"
    r"|kustomize\.toolkit\.fluxcd\.io|helm\.toolkit\.fluxcd\.io)/.*"
    r"|kubernetes\.io/(ingress\.class|ingress-bandwidth|egress-bandwidth|config\..*|psp|change-cause)"
    r"|kubectl\.kubernetes\.io/(restartedAt|default-container)|external-secrets\.io/.*"
    r"|nginx\.ingress\.kubernetes\.io/(?!.*(snippet|auth|secret)).*"
)
# Variables that support needs: of the operator and the runtime, of Kubernetes, of languages and proxies.
_VARIABLES = re.compile(
    r"(AGENT_|KUBERNETES_|POD_|NODE_|OTEL_|PYTHON|LC_|GO(MAXPROCS|MEMLIMIT|GC|DEBUG)$).*|LANG|LANGUAGE|TZ|HOME|PATH|TMPDIR"
    r"|(\w+_)?LOG_(LEVEL|FORMAT)|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy|AZURE_(CLIENT_ID|TENANT_ID|AUTHORITY_HOST)"
    r"|AZURE_FEDERATED_TOKEN_FILE|AWS_(REGION|DEFAULT_REGION|ROLE_ARN|WEB_IDENTITY_TOKEN_FILE)|SSL_CERT_(FILE|DIR)"
)
# Settings whose values tell nothing secret: switches, numbers, durations and quantities.
_SETTING = re.compile(
    r"(?i)(true|false|yes|no|on|off|debug|info|warn(ing)?|error|json|text|[0-9]{1,5}(\.[0-9]{1,3})?(ms|s|m|h|[kmg]i?)?)?"
)
_HEADERS = frozenset(["accept", "accept-encoding", "accept-language", "content-type", "host", "user-agent", "origin"])
_OPTION = re.compile(r"--?([A-Za-z][\w.-]{0,127})")
_LOGIN_OPTIONS = frozenset({"-u", "-U", "--user", "--proxy-user", "--login"})
_LOGIN_PROGRAMS = frozenset({"redis-cli", "valkey-cli", "sshpass"})
_SHORT_PASSWORD = re.compile(r"-p(?![0-9]{1,5}(:|$))[^\s=-]{2,}")
_WORD_OPTION = re.compile(
    r"-p(arallel|arent|ath|eer|id|ing|latform|lugin|olicy|ool|ort|prof|refix|reset|rint|rofile|roject|rotocol|rovider"
    r"|roxy|ublic|ull|ush|aram|ause|attern|ackage|od|eriod|ersist|ipe|arse|rogress)([A-Za-z-]*|=.*)"
)


class Redactor:
    """Redacts texts and objects. It also knows the values of the Secrets that were read."""

    def __init__(self, values: Collection[str] = ()) -> None:
        self._known = KnownValues(values)

    def text(self, value: str) -> str:
        """Return a text of any kind, such as a log, without credentials."""
        return without_credentials(self._known.replace(value, REDACTED), is_sentence=False)

    def sentence(self, value: str) -> str:
        """Return a message without credentials. It keeps words after a colon, such as `no token: sign in`."""
        return without_credentials(self._known.replace(value, REDACTED), is_sentence=True)

    def object(self, obj: Mapping[str, Any]) -> Object:
        """Return a Kubernetes object without credentials. Of a Secret, the names of its keys remain."""
        found = self._value(dict(obj), "", _DEPTH)
        copied: Object = found if isinstance(found, dict) else {}
        meta = copied.get("metadata")
        if isinstance(meta, dict):
            meta.pop("managedFields", None)
        return copied

    def _value(self, value: Any, name: str, depth: int) -> Any:
        if depth == 0:
            return REDACTED
        if isinstance(value, str):
            return REDACTED if value and _is_secret_field(name) else self.text(value)
        if isinstance(value, list):
            return self._list(value, name, depth)
        if isinstance(value, dict):
            return self._map(value, name, depth)
        return value

    def _list(self, values: list[Any], name: str, depth: int) -> list[Any]:
        """Return a list; in arguments of a program, the option before tells whether one is a credential."""
        program = next((it.rpartition("/")[2] for it in values if isinstance(it, str)), "")
        copied: list[Any] = []
        previous = ""
        for item in values:
            if isinstance(item, str) and _is_password(previous, item, program):
                copied.append(REDACTED)
            elif isinstance(item, str) and previous in _LOGIN_OPTIONS and ":" in item:
                copied.append(f"{item.partition(':')[0]}:{REDACTED}")
            else:
                copied.append(self._value(item, name, depth - 1))
            previous = item if isinstance(item, str) else ""
        return copied

    def _map(self, value: Mapping[str, Any], name: str, depth: int) -> Object:
        if name == "annotations":
            return {self.text(key): self._annotation(key, item) for key, item in value.items()}
        if name in ("values", "fake", "binaryData", "valueMap"):  # of credentials, and of providers for tests
            return dict.fromkeys(map(self.text, value), REDACTED)
        copied = {self.text(key): self._value(item, key, depth - 1) for key, item in value.items()}
        if value.get("kind") == "Secret" or name == "template":  # of an ExternalSecret
            secret = {it: mapping(value.get(it)) for it in ("data", "stringData") if it in value}
            copied |= {field: dict.fromkeys(map(str, data), REDACTED) for field, data in secret.items()}
        if name.lower().endswith("headers") and "value" not in value:
            copied = {key: item if key.lower() in _HEADERS else REDACTED for key, item in copied.items()}
        if isinstance(value.get("value"), str) and _is_secret_value(value, name):
            copied["value"] = REDACTED
        return copied

    def _annotation(self, key: str, value: Any) -> str:
        is_useful = isinstance(value, str) and _ANNOTATIONS.fullmatch(key) and not is_credential(key.rpartition("/")[2])
        return self.text(value) if is_useful else REDACTED


def _is_secret_field(name: str) -> bool:
    return name not in _STRUCTURE and is_credential(name)


def _is_secret_value(item: Mapping[str, Any], field: str) -> bool:
    """Return whether `value` of an item with a name is a credential: a variable, a header, or another setting."""
    name, value = str(item.get("name") or item.get("key") or ""), item["value"]
    if field == "env":
        return is_credential(name) or not (_VARIABLES.fullmatch(name) or _SETTING.fullmatch(value)) or "HEADERS" in name
    if field.lower().endswith("headers"):
        return name.lower() not in _HEADERS
    return is_credential(name)


def _is_password(option: str, argument: str, program: str) -> bool:
    """Return whether an argument is a credential, after the one before it."""
    if program in _LOGIN_PROGRAMS and option in ("-a", "-p", "--pass"):
        return True
    found = _OPTION.fullmatch(option)
    if found and is_credential(found[1]) and not argument.startswith("--"):
        return True
    return _SHORT_PASSWORD.fullmatch(argument) is not None and _WORD_OPTION.fullmatch(argument) is None
