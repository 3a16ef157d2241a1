"""Removes what is, or looks like, a credential from objects and texts. Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from agent_operator.kube.shapes import mapping
from agentctl.objects import Object

REDACTED = "(redacted)"
_DEPTH = 64
# A shorter value of a Secret may be an ordinary word.
SHORTEST_VALUE = 6
_MOST_VALUES = 2_048
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|pwd$|secret(?!.?(ref|name|hash|missing))|token(?!s|.?(file|url|endpoint|volume|count|audience))"
    r"|api.?key(?!.?(ref|s$|from|file))|access.?key|account.?key|private.?key|credential(?!s)|connection.?string"
    r"|authorization|cookie|sas(.?url)?$|(^|_)key$",
    re.IGNORECASE,
)
# Fields and maps whose names match, although they contain no value of a credential.
_STRUCTURE = frozenset({"secretName", "secretKeyRef", "secretRef", "key", "secrets", "credentials", "tokens"})
# User and password in a URL.
_LOGIN = r"(?<=://)[^\s/@:'\"]{0,256}:[^\s/@'\"]{1,1024}(?=@)"
_PRIVATE_KEY = r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,16384}?(-----END [A-Z ]{0,40}PRIVATE KEY-----|$)"
_JSON_WEB_TOKEN = r"(?<![\w-])eyJ[\w-]{8,16384}\.[\w-]{4,16384}(\.[\w-]{0,16384})?"  # noqa: S105  (a pattern)
_AUTHORIZATION = r"(?i)\b(bearer|basic)(\s+)[\w.~+/=-]{8,16384}"
# Well-known beginnings: OpenAI and Anthropic, GitHub, GitLab, Slack, AWS, Google, Hugging Face.
_PREFIXED = (
    r"\b(sk-[\w-]{8,512}|gh[pousr]_\w{16,512}|github_pat_\w{16,512}|glpat-[\w-]{16,256}|xox[abeprs]-[\w-]{8,512}"
    r"|A(KIA|SIA)[A-Z0-9]{16}|AIza[\w-]{30,64}|hf_\w{16,256})"
)
_NAMES = r"(password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|\bsig)"
# `password=...`, `"api_key": "..."`, `AccountKey=...;`, `sig=...`.
_ASSIGNMENT = rf"(?i){_NAMES}(\\?[\"']?\s{{0,4}}=\s{{0,4}}\\?[\"']?|\\?[\"']\s{{0,4}}:\s{{0,4}}\\?[\"']?)"
_ASSIGNED = r"(?!\(redacted\))[^\s\"',;&\\]{4,4096}"
# `password: ...`, as in YAML. Sentences of Kubernetes look like this, too.
_LABELLED = rf"(?i){_NAMES}(\s{{0,4}}:\s{{0,4}}[\"']?)"
# Keys of Azure OpenAI: 32 hexadecimal digits, or a long word of mixed characters. Digests of images have 64 digits.
_HEXADECIMAL = r"(?<![0-9A-Za-z:_/.-])[0-9a-f]{32}(?![0-9A-Za-z])"
_MIXED = (
    r"(?<![\w+/=.-])(?=[\w+/=]{0,512}[A-Z])(?=[\w+/=]{0,512}[a-z])(?=[\w+/=]{0,512}[0-9])[\w+/=]{40,8192}(?![\w+/=])"
)
_PATTERNS = (
    (re.compile(_PRIVATE_KEY), REDACTED),
    (re.compile(_LOGIN), REDACTED),
    (re.compile(_JSON_WEB_TOKEN), REDACTED),
    (re.compile(_AUTHORIZATION), rf"\1\2{REDACTED}"),
    (re.compile(_PREFIXED), REDACTED),
    (re.compile(_ASSIGNMENT + _ASSIGNED), rf"\1\2{REDACTED}"),
    (re.compile(_HEXADECIMAL), REDACTED),
    (re.compile(_MIXED), REDACTED),
)
_LABELLED_PATTERN = re.compile(_LABELLED + _ASSIGNED)


class Redactor:
    """Redacts texts and objects. It also knows the values of the Secrets that were read."""

    def __init__(self, values: Collection[str] = ()) -> None:
        known = sorted({value for value in values if len(value) >= SHORTEST_VALUE}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known[:_MOST_VALUES]))) if known else None

    def text(self, value: str) -> str:
        """Return a text of any kind, such as a log, without credentials."""
        return _LABELLED_PATTERN.sub(rf"\1\2{REDACTED}", self.sentence(value))

    def sentence(self, value: str) -> str:
        """Return a message without credentials. It keeps what follows a colon, such as `no token: sign in`."""
        if self._known is not None:
            value = self._known.sub(REDACTED, value)
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
        return value

    def object(self, obj: Mapping[str, Any]) -> Object:
        """Return a Kubernetes object without credentials. Of a Secret, the names of its keys remain."""
        found = self._value(dict(obj), "", _DEPTH)
        copied: Object = found if isinstance(found, dict) else {}
        if copied.get("kind") == "Secret":
            for field in ("data", "stringData"):
                if field in copied:
                    copied[field] = dict.fromkeys(mapping(copied[field]), REDACTED)
        meta = copied.get("metadata")
        if isinstance(meta, dict):
            meta.pop("managedFields", None)
            if isinstance(meta.get("annotations"), dict):
                meta["annotations"].pop(_LAST_APPLIED, None)
        return copied

    def _value(self, value: Any, name: str, depth: int) -> Any:
        if depth == 0:
            return REDACTED
        if isinstance(value, str):
            return REDACTED if value and _is_secret(name) else self.text(value)
        if isinstance(value, list):
            return [self._value(item, name, depth - 1) for item in value]
        if isinstance(value, dict):
            return self._map(value, name, depth)
        return value

    def _map(self, value: Mapping[str, Any], name: str, depth: int) -> Object:
        if name == "values":  # spec.credentials.values
            return dict.fromkeys(value, REDACTED)
        copied = {self.text(key): self._value(item, key, depth - 1) for key, item in value.items()}
        # A variable: its name says whether its value is a credential.
        if isinstance(value.get("value"), str) and _is_secret(str(value.get("name"))):
            copied["value"] = REDACTED
        return copied


def _is_secret(name: str) -> bool:
    return name not in _STRUCTURE and _SECRET_NAME.search(name[:256]) is not None
