"""agent.toml: what it may say, and how every fault is named."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent_runtime.config import AgentConfig, CacheConfig, ConfigError, ModelConfig, explain, load

GOOD = """
[agent]
system_prompt = "prompts/support.txt"
log_level = "WARNING"
default_model = "b"

[[agent.models]]
name = "a"
provider = "azure_openai"
deployment = "gpt-4o"
api_version = "2024-10-01-preview"

[[agent.models]]
name = "b"
provider = "openai"
base_url = "http://vllm:8000/v1"

[agent.memory.cache]
enabled = true
host = "redis"
"""


def write(directory: Path, toml: str | bytes, prompt: bytes | None = b"You help.") -> Path:
    """An agent.toml, and the prompt where GOOD expects it."""
    (directory / "prompts").mkdir()
    if prompt is not None:
        (directory / "prompts" / "support.txt").write_bytes(prompt)
    path = directory / "agent.toml"
    path.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    return path


def faults(directory: Path, toml: str | bytes, prompt: bytes | None = b"You help.") -> list[str]:
    """What load says against this config, a line each."""
    with pytest.raises(ConfigError) as raised:
        load(write(directory, toml, prompt))
    return str(raised.value).splitlines()


def test_a_good_file_is_read_with_its_prompt(tmp_path: Path) -> None:
    """The prompt's path is relative to agent.toml; what is not said has its default."""
    config, prompt = load(write(tmp_path, GOOD))

    assert prompt == "You help."
    assert config.default.name == "b"
    assert config.memory is not None
    assert config.memory.cache == CacheConfig(host="redis", port=6379, ssl=False, ttl=300, prefix="chat:")


@pytest.mark.parametrize("beside", [True, False], ids=["beside-agent.toml", "below-the-working-directory"])
def test_relative_paths_resolve_next_to_the_file_and_then_from_the_working_directory(
    beside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed's `config/system_prompt.txt` in /app/config/agent.toml is found from the image's /app."""
    folder = tmp_path / "config"
    (folder / "config").mkdir(parents=True)
    (folder / "system_prompt.txt").write_text("From the working directory.")
    (folder / "keys").write_text("")
    if beside:
        (folder / "config" / "system_prompt.txt").write_text("From beside.")
        (folder / "config" / "keys").write_text("")
    toml = (
        GOOD.replace("prompts/support.txt", "config/system_prompt.txt")
        + '[agent.server]\napi_keys_file = "config/keys"'
    )
    (folder / "agent.toml").write_text(toml)
    monkeypatch.chdir(tmp_path)

    config, prompt = load(folder / "agent.toml")

    assert prompt == ("From beside." if beside else "From the working directory.")
    assert config.server is not None
    assert config.server.api_keys_file == str((folder if beside else tmp_path) / "config" / "keys")


def test_a_prompt_that_is_nowhere_names_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "agent").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    (fault,) = faults(tmp_path / "agent", GOOD, None)

    places = f"{tmp_path}/agent/prompts/support.txt or {tmp_path}/work/prompts/support.txt"
    assert fault == f"agent.system_prompt: {places}: No such file: correct the path or add the file"


def test_the_first_model_is_the_default() -> None:
    """When default_model is not said."""
    config = AgentConfig(models=(ModelConfig(name="x", provider="echo"), ModelConfig(name="y", provider="echo")))

    assert config.default.name == "x"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('deployment = "gpt-4o"', "", "agent.models[0].deployment: required with provider azure_openai"),
        ('"openai"', '"echo"', "agent.models[1].base_url: not a field of provider echo: remove it"),
        ('default_model = "b"', 'default_model = "c"', "agent.default_model: c is not one of models: a, b"),
        ('name = "b"', 'name = "a"', "agent.models: every name must be unique"),
        ('host = "redis"', "", "agent.memory.cache.host: required while enabled"),
        ('host = "redis"', 'host = "redis"\nport = 0', "agent.memory.cache.port: "),
        ("log_level", "loglevel", "agent.loglevel: Extra inputs are not permitted"),
        ('"2024-10-01-preview"', '"latest"', "agent.models[0].api_version: "),
    ],
)
def test_a_fault_has_its_path_in_tomls_spelling(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """Path, then what is wrong or how to mend it."""
    assert faults(tmp_path, GOOD.replace(old, new))[0].startswith(fault)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Those of every model, and the missing prompt; a list is not called empty because its items are wrong."""
    told = faults(tmp_path, GOOD.replace('"azure_openai"', '"x"').replace('"openai"', '"y"'), None)

    paths = [fault.split(": ")[0] for fault in told]
    assert paths == ["agent.models[0].provider", "agent.models[1].provider", "agent.system_prompt"]


def test_an_empty_list_of_models_is_a_fault(tmp_path: Path) -> None:
    """One is needed."""
    assert faults(tmp_path, "[agent]\nmodels = []")[0].startswith("agent.models: ")


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [(None, "No such file"), (b"\xff", "not UTF-8 text"), (b"x" * 900_001, "longer than 900000 bytes")],
)
def test_a_prompt_that_cannot_be_used_is_told(tmp_path: Path, prompt: bytes | None, reason: str) -> None:
    """Missing, no text, too long."""
    (fault,) = faults(tmp_path, GOOD, prompt)

    assert fault.startswith("agent.system_prompt: ")
    assert reason in fault


@pytest.mark.parametrize("toml", ["[agent", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, toml: str | bytes) -> None:
    """With the file's name."""
    assert "agent.toml: " in faults(tmp_path, toml)[0]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(ConfigError, match=r"agent\.toml: No such file"):
        load(tmp_path / "agent.toml")


def test_explain_speaks_the_crs_spelling_unless_told_otherwise() -> None:
    """The operator puts the path before it; a validator's fields become part of the path, one line each."""
    model = {"name": "x", "provider": "openai", "deployment": "d", "apiVersion": "2024-10-01"}
    with pytest.raises(ValidationError) as raised:
        AgentConfig.model_validate({"models": [model]})

    assert explain(raised.value, "spec.config") == (
        "spec.config.models[0].deployment: not a field of provider openai: remove it\n"
        "spec.config.models[0].apiVersion: not a field of provider openai: remove it"
    )
    assert "models[0].api_version: " in explain(raised.value, snake_case=True)


def test_explain_does_not_quote_values() -> None:
    """A value in the wrong place may be a secret."""
    with pytest.raises(ValidationError) as raised:
        AgentConfig.model_validate({"models": [{"name": "x", "provider": "sk-secret"}], "apiKey": "sk-secret"})

    assert "sk-secret" not in explain(raised.value)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('type = "http"', "agent.mcp[0].url: required with type http"),
        ('type = "stdio"', "agent.mcp[0].command: required with type stdio"),
        ('type = "stdio"\ncommand = "x"\nurl = "http://x/"', "agent.mcp[0].url: not a field of type stdio: remove it"),
        ('type = "http"\nurl = "http://x/"\nargs = ["x"]', "agent.mcp[0].args: not a field of type http: remove it"),
        ('type = "http"\nurl = "ftp://x/"', "agent.mcp[0].url: "),
        ('type = "http"\nurl = "http://x/"\nheaders_from = {"a b" = "X"}', "agent.mcp[0].headers_from"),
        ('type = "sse"', "agent.mcp[0].type: "),
    ],
)
def test_an_mcp_server_has_the_fields_of_its_type(tmp_path: Path, table: str, fault: str) -> None:
    """And no others."""
    assert faults(tmp_path, f'{GOOD}\n[[agent.mcp]]\nname = "t"\n{table}')[0].startswith(fault)


def test_names_of_servers_and_fallbacks(tmp_path: Path) -> None:
    """Servers are unique; a fallback is one of the models."""
    server = '\n[[agent.mcp]]\nname = "t"\ntype = "stdio"\ncommand = "x"\n'
    assert faults(tmp_path, GOOD + server + server) == ["agent.mcp: every name must be unique"]
    (tmp_path / "other").mkdir()
    fallbacks = GOOD.replace("[agent]", '[agent]\nfallbacks = ["c"]')
    assert faults(tmp_path / "other", fallbacks) == ["agent.fallbacks: c: not one of models: a, b"]


@pytest.mark.parametrize(("said", "meant"), [("../api-keys/keys", "api-keys/keys"), ("/keys/file", "/keys/file")])
def test_the_api_keys_file_may_be_said_relative_to_the_config(tmp_path: Path, said: str, meant: str) -> None:
    """By its words: the config's folder may be a link, as it is where Kubernetes mounts it."""
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "config").symlink_to(tmp_path / "elsewhere" / "deep")
    write(tmp_path / "config", GOOD + f'[agent.server]\napi_keys_file = "{said}"\n')

    config, _ = load(tmp_path / "config" / "agent.toml")

    assert config.server is not None
    assert config.server.api_keys_file == str(tmp_path / meant)
