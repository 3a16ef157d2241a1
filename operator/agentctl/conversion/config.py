"""spec.config and spec.systemPrompt from the agent.toml and the prompt of a ConfigMap."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from agent_operator.inputs.credentials import LOG_LEVEL
from agent_runtime.config import CONFIG_FILE, PROMPT_FILE, AgentFile, AgentSection, explain
from agent_runtime.config.migrations import upgraded
from agentctl.conversion.findings import Finding, changed, lost
from agentctl.conversion.manifests import InvalidManifestsError, Manifest
from agentctl.conversion.parts import Part, present
from agentctl.conversion.workload import Workload
from agentctl.objects import Object
from agentctl.offline.diagnostics import Diagnostic

FIELD = f"data[{CONFIG_FILE}]"
_PLACEHOLDER = {"models": [{"name": "echo", "provider": "echo"}]}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_MARKS = ("{{", "{%", "{#")
_END_RAW = "{% endraw %}"
# Values of agent.toml are bounded by the size of a ConfigMap; this bounds the number of unknown fields in the report.
_MAX_UNKNOWN = 50


def config(workload: Workload) -> Part:
    """Return config and systemPrompt.

    Raises:
        InvalidManifestsError: agent.toml is not valid.
    """
    source = next((item for item in workload.config_maps() if CONFIG_FILE in (item.body.get("data") or {})), None)
    if source is None:
        reason = (
            f"the input has no {CONFIG_FILE} of this Deployment: replace the offline model of spec.config.models by "
            "the models of the agent, or add the ConfigMap with -f"
        )
        return Part({"config": _PLACEHOLDER}, (lost(workload.deployment, "spec.template.spec.volumes", reason),))
    section, findings = _section(source, source.body["data"][CONFIG_FILE])
    dumped = _dumped(section)
    _request_tokens(dumped, dict(_token_files(workload)))
    dumped.pop("systemPrompt", None)
    level = _log_level(workload)
    prompt, more = _prompt(workload, source, section.system_prompt)
    spec = present({"systemPrompt": prompt, "config": dumped | ({"logLevel": level} if level else {})})
    unused = _unused_keys(workload, source, section.system_prompt)
    return Part(spec, (*findings, *more, *unused), replaced=(source,))


def _dumped(section: AgentSection) -> Object:
    """Return the fields that differ from the defaults of the runtime, and those with another default here."""
    dumped = section.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    cache = section.memory.cache if section.memory else None
    if cache and cache.enabled:
        # The operator would set a prefix with the name of the agent, and the sessions of the old pods would be lost.
        dumped["memory"]["cache"]["prefix"] = cache.prefix
    return dumped


def _request_tokens(config: Object, audiences: Mapping[str, str]) -> None:
    """Replace the files that contain tokens of the ServiceAccount by the request for such a token."""
    for model in config.get("models") or ():
        audience = audiences.get((model.get("apiKeyFrom") or {}).get("file") or "")
        if audience is not None:
            model["apiKeyFrom"] = {"serviceAccountToken": {"audience": audience}}
    for server in config.get("mcp") or ():
        audience = audiences.get(server.get("tokenFile") or "")
        if audience is not None:
            del server["tokenFile"]
            server["serviceAccountToken"] = {"audience": audience}


def _token_files(workload: Workload) -> Iterator[tuple[str, str]]:
    """Yield the files with tokens of the ServiceAccount in the container of the agent, and their audiences."""
    directories = {
        mount["name"]: mount["mountPath"].rstrip("/")
        for mount in workload.container.get("volumeMounts") or ()
        if not mount.get("subPath")
    }
    for volume in workload.pod.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            token = source.get("serviceAccountToken") or {}
            if volume["name"] in directories and token.get("audience"):
                yield f"{directories[volume['name']]}/{token.get('path')}", token["audience"]


def _section(source: Manifest, text: str) -> tuple[AgentSection, tuple[Finding, ...]]:
    """Return the content of agent.toml without the fields that the runtime does not know."""
    try:
        document = upgraded(tomllib.loads(text))
    except ValueError as error:
        raise _invalid(source, "", f"{error}: correct the file") from None
    findings: list[Finding] = []
    for _ in range(_MAX_UNKNOWN):
        try:
            return AgentFile.model_validate(document).agent, tuple(findings)
        except ValidationError as error:
            unknown = [fault["loc"] for fault in error.errors() if fault["type"] == "extra_forbidden"]
            if not unknown:
                lines = explain(error, snake_case=True).splitlines()
                raise _invalid(source, *lines[0].split(": ", 1)) from None
            findings += [_unknown(source, document, place) for place in unknown]
    raise _invalid(source, "", f"more than {_MAX_UNKNOWN} levels of unknown fields: correct the file")


def _unknown(source: Manifest, document: Object, place: tuple[int | str, ...]) -> Finding:
    """Remove one unknown field, whose path the models name as in the CR."""
    node: Any = document
    steps = [part if isinstance(part, int) else to_snake(part) for part in place]
    for step in steps[:-1]:
        node = node[step]
    node.pop(steps[-1] if steps[-1] in node else place[-1], None)
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return lost(source, f"{FIELD}{path}", "the runtime has no such field: compare it with spec.config in the reference")


def _invalid(source: Manifest, path: str, message: str) -> InvalidManifestsError:
    field = f"{FIELD}.{path}" if path else FIELD
    where = f" (document {source.document.number})" if source.document.lines else ""
    return InvalidManifestsError([Diagnostic.of(source.document, field, f"{message}{where}")])


def _log_level(workload: Workload) -> str | None:
    """Return the level that the variable LOG_LEVEL sets. It takes precedence over agent.toml."""
    values = [item.get("value") for item in workload.container.get("env") or () if item.get("name") == LOG_LEVEL]
    return values[0] if values and values[0] in _LEVELS else None


def _prompt(workload: Workload, source: Manifest, path: str) -> tuple[Object | None, tuple[Finding, ...]]:
    name = PurePosixPath(path).name
    for config_map in (source, *workload.config_maps()):
        text = (config_map.body.get("data") or {}).get(name)
        if isinstance(text, str):
            return _literal(config_map, name, text)
    reason = f"the input has no file {name}: set spec.systemPrompt.text, or add the ConfigMap with -f"
    return None, (lost(source, f"{FIELD}.agent.system_prompt", reason),)


def _literal(source: Manifest, name: str, text: str) -> tuple[Object | None, tuple[Finding, ...]]:
    """Return the prompt as a template that renders to the text itself."""
    if not any(mark in text for mark in _MARKS):
        return {"text": text}, ()
    field = f"data[{name}]"
    if _END_RAW in text:
        reason = f"it contains {_END_RAW}: write the template of spec.systemPrompt.text by hand"
        return None, (lost(source, field, reason),)
    reason = "spec.systemPrompt.text is a template, so the text is enclosed in {% raw %}"
    # The template engine drops no line feed after endraw, and the text may end in one.
    return {"text": f"{{% raw %}}{text}{_END_RAW}"}, (changed(source, field, reason),)


def _unused_keys(workload: Workload, source: Manifest, prompt: str) -> tuple[Finding, ...]:
    """Return the files that the operator's ConfigMap does not contain."""
    known = {CONFIG_FILE, PROMPT_FILE, PurePosixPath(prompt).name}
    keys = sorted({*(source.body.get("data") or {}), *(source.body.get("binaryData") or {})} - known)
    reason = (
        f"the operator writes only {CONFIG_FILE} and {PROMPT_FILE}: keep the file in a ConfigMap of your own and mount "
        "it with spec.podTemplate"
    )
    mounted = [key for key in keys if _is_mounted(workload, key)]
    return tuple(lost(source, f"data[{key}]", reason) for key in mounted)


def _is_mounted(workload: Workload, key: str) -> bool:
    """Report whether the pods see a file of the ConfigMap: whole, or by its own subPath."""
    mounts = [item for item in workload.container.get("volumeMounts") or () if item["name"] in workload.config_volumes]
    return any(mount.get("subPath", key) == key for mount in mounts)
