"""Runs the Lua scripts for Argo CD as Argo CD does: Lua 5.1 with the base, table and a part of the os library.

Argo CD runs scripts of its configuration without the other libraries; see util/lua/lua.go in its repository.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lupa import lua51

FOLDER = Path(__file__).parents[1] / "deploy" / "argocd" / "resource_customizations" / "agent-operator.dev"
Object = dict[str, Any]

_SANDBOX = """
local safe_os = { date = os.date, time = os.time }
local allowed = { "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type",
    "unpack", "table" }
local environment = { os = safe_os, require = function(name) assert(name == "os") return safe_os end }
for _, name in ipairs(allowed) do environment[name] = _G[name] end
return function(script, object, parameters)
    environment.obj, environment.actionParams = object, parameters
    local chunk = assert(loadstring(script))
    setfenv(chunk, environment)
    return chunk()
end
"""


def run(script: Path, obj: Object, parameters: Mapping[str, str] | None = None) -> Any:
    """Return the result of a script for an object, as JSON."""
    runtime = lua51.LuaRuntime(register_eval=False, register_builtins=False)
    table = runtime.table_from(obj, recursive=True)
    call = runtime.execute(_SANDBOX)
    result = call(script.read_text(encoding="utf-8"), table, runtime.table_from(dict(parameters or {})))
    return _to_json(result, obj)


def health(obj: Object) -> Object:
    """Return status and message of the health of an object."""
    result: Object = run(FOLDER / obj["kind"] / "health.lua", obj)
    return result


def actions(obj: Object) -> list[Object]:
    """Return the actions that Argo CD offers for an object, sorted by name."""
    found = run(FOLDER / obj["kind"] / "actions" / "discovery.lua", obj)
    return [{"name": name, **action} for name, action in sorted(found.items())]


def act(obj: Object, action: str, **parameters: str) -> Object:
    """Return the object after an action."""
    result: Object = run(FOLDER / obj["kind"] / "actions" / action / "action.lua", obj, parameters)
    return result


def merge_patch(before: Object, after: Object) -> Object:
    """Return the JSON merge patch that Argo CD sends for an action."""
    patch: Object = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            if inner := merge_patch(old, value):
                patch[key] = inner
        elif value != old:
            patch[key] = value
    return patch


def _to_json(value: Any, original: Any) -> Any:
    """Convert a Lua value. An empty table has no type, so Argo CD takes that of the original."""
    if lua51.lua_type(value) != "table":
        return int(value) if isinstance(value, float) and value.is_integer() else value
    items = dict(value.items())
    if not items:
        return {} if isinstance(original, dict) else []
    if 1 in items:
        originals = original if isinstance(original, list) else []
        padded = [*originals, *[None] * len(items)]
        return [_to_json(items[index + 1], padded[index]) for index in range(len(items))]
    known = original if isinstance(original, dict) else {}
    return {key: _to_json(item, known.get(key)) for key, item in items.items()}
