"""The fields of agent.toml, and the messages about faults."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent_runtime.config import AgentConfig, CacheConfig, ConfigError, ModelConfig, explain, load
from agent_runtime.config.load import MAX_EXPLAINED

VALID = """
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
    """Write agent.toml, and the prompt where VALID expects it."""
    (directory / "prompts").mkdir()
    if prompt is not None:
        (directory / "prompts" / "support.txt").write_bytes(prompt)
    path = directory / "agent.toml"
    path.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    return path


def faults(directory: Path, toml: str | bytes, prompt: bytes | None = b"You help.") -> list[str]:
    """The lines of the error of load."""
    with pytest.raises(ConfigError) as raised:
        load(write(directory, toml, prompt))
    return str(raised.value).splitlines()


def test_a_valid_file_is_read_with_its_prompt(tmp_path: Path) -> None:
    """The path of the prompt is relative to agent.toml. Unset fields have their defaults."""
    config, prompt = load(write(tmp_path, VALID))

    assert prompt == "You help."
    assert config.default.name == "b"
    assert config.memory is not None
    assert config.memory.cache == CacheConfig(host="redis", port=6379, ssl=False, ttl=300, prefix="chat:")


@pytest.mark.parametrize("next_to_file", [True, False], ids=["next-to-agent.toml", "in-the-working-directory"])
def test_relative_paths_resolve_next_to_the_file_and_then_from_the_working_directory(
    next_to_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed's `config/system_prompt.txt` in /app/config/agent.toml is found from the image's /app."""
    folder = tmp_path / "config"
    (folder / "config").mkdir(parents=True)
    (folder / "system_prompt.txt").write_text("From the working directory.")
    (folder / "keys").write_text("")
    if next_to_file:
        (folder / "config" / "system_prompt.txt").write_text("From the folder.")
        (folder / "config" / "keys").write_text("")
    toml = (
        VALID.replace("prompts/support.txt", "config/system_prompt.txt")
        + '[agent.server]\napi_keys_file = "config/keys"'
    )
    (folder / "agent.toml").write_text(toml)
    monkeypatch.chdir(tmp_path)

    config, prompt = load(folder / "agent.toml")

    assert prompt == ("From the folder." if next_to_file else "From the working directory.")
    assert config.server is not None
    assert config.server.api_keys_file == str((folder if next_to_file else tmp_path) / "config" / "keys")


def test_a_missing_prompt_names_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "agent").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    (fault,) = faults(tmp_path / "agent", VALID, None)

    places = f"{tmp_path}/agent/prompts/support.txt or {tmp_path}/work/prompts/support.txt"
    assert fault == f"agent.system_prompt: {places}: No such file: correct the path or add the file"


def test_the_first_model_is_the_default() -> None:
    """If default_model is not set."""
    config = AgentConfig(models=(ModelConfig(name="x", provider="echo"), ModelConfig(name="y", provider="echo")))

    assert config.default.name == "x"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('deployment = "gpt-4o"', "", "agent.models[0].deployment: required with provider azure_openai"),
        ('"openai"', '"echo"', "agent.models[1].base_url: not a field of provider echo: remove it"),
        ('default_model = "b"', 'default_model = "c"', "agent.default_model: c is not one of models: a, b"),
        ('name = "b"', 'name = "a"', "agent.models: every name must be unique: rename the duplicates"),
        ('host = "redis"', "", "agent.memory.cache.host: required while enabled"),
        ('host = "redis"', 'host = "redis"\nport = 0', "agent.memory.cache.port: "),
        ("log_level", "loglevel", "agent.loglevel: Extra inputs are not permitted"),
        ('"2024-10-01-preview"', '"latest"', "agent.models[0].api_version: "),
    ],
)
def test_a_fault_has_its_path_as_in_toml(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert faults(tmp_path, VALID.replace(old, new))[0].startswith(fault)


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    """The faults of every model and the missing prompt are reported. A list with invalid items is not called empty."""
    lines = faults(tmp_path, VALID.replace('"azure_openai"', '"x"').replace('"openai"', '"y"'), None)

    paths = [fault.split(": ")[0] for fault in lines]
    assert paths == ["agent.models[0].provider", "agent.models[1].provider", "agent.system_prompt"]


def test_an_empty_list_of_models_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, "[agent]\nmodels = []")[0].startswith("agent.models: ")


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [(None, "No such file"), (b"\xff", "not UTF-8 text"), (b"x" * 900_001, "longer than 900000 bytes")],
)
def test_an_unusable_prompt_is_a_fault(tmp_path: Path, prompt: bytes | None, reason: str) -> None:
    (fault,) = faults(tmp_path, VALID, prompt)

    assert fault.startswith("agent.system_prompt: ")
    assert reason in fault


@pytest.mark.parametrize("toml", ["[agent", b"\xff\xfe"])
def test_invalid_toml_is_a_fault_with_the_name_of_the_file(tmp_path: Path, toml: str | bytes) -> None:
    assert "agent.toml: " in faults(tmp_path, toml)[0]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent\.toml: No such file"):
        load(tmp_path / "agent.toml")


def test_explain_names_fields_as_in_the_cr_by_default() -> None:
    """Paths have the prefix. Each field that a validator names gets its own line and path."""
    model = {"name": "x", "provider": "openai", "deployment": "d", "apiVersion": "2024-10-01"}
    with pytest.raises(ValidationError) as raised:
        AgentConfig.model_validate({"models": [model]})

    assert explain(raised.value, "spec.config") == (
        "spec.config.models[0].deployment: not a field of provider openai: remove it\n"
        "spec.config.models[0].apiVersion: not a field of provider openai: remove it"
    )
    assert "models[0].api_version: " in explain(raised.value, snake_case=True)


def test_explain_counts_all_but_the_first_errors() -> None:
    with pytest.raises(ValidationError) as raised:
        AgentConfig.model_validate({f"x{number}": 1 for number in range(1_000)})

    lines = explain(raised.value).splitlines()
    assert len(lines) == MAX_EXPLAINED + 1
    assert lines[-1] == f"and {1_001 - MAX_EXPLAINED} more errors"


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
def test_an_mcp_server_has_only_the_fields_of_its_type(tmp_path: Path, table: str, fault: str) -> None:
    assert faults(tmp_path, f'{VALID}\n[[agent.mcp]]\nname = "t"\n{table}')[0].startswith(fault)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ('provider = "echo"\napi_key_from = {env = "K"}', "agent.models[2].api_key_from: not a field of provider echo"),
        ('provider = "echo"\nheaders_from = {X = "K"}', "agent.models[2].headers_from: not a field of provider echo"),
        ('provider = "openai"\napi_key_from = {}', "agent.models[2].api_key_from: set exactly one of"),
        (
            'provider = "openai"\napi_key_from = {env = "K", none = true}',
            "agent.models[2].api_key_from: set exactly one of",
        ),
        ('provider = "openai"\napi_key_from = {none = false}', "agent.models[2].api_key_from.none: "),
        ('provider = "openai"\napi_key_from = {env = "1 K"}', "agent.models[2].api_key_from.env: "),
        (
            'provider = "openai"\napi_key_from = {secret_key_ref = {name = "s", key = "k"}}',
            "agent.models[2].api_key_from.secret_key_ref: only an AgentDeployment can name a Secret: set env",
        ),
        ('provider = "openai"\nheaders_from = {Content-Length = "K"}', "agent.models[2].headers_from: Content-Length"),
        ('provider = "openai"\nheaders_from = {}', "agent.models[2].headers_from: "),
    ],
)
def test_credentials_of_a_model_have_one_source(tmp_path: Path, fields: str, fault: str) -> None:
    assert faults(tmp_path, f'{VALID}\n[[agent.models]]\nname = "c"\n{fields}')[0].startswith(fault)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ('[[agent.models]]\nname = "c"\nprovider = "echo"\napi = "chat"', "agent.models[2].api: not a field of"),
        ('[[agent.models]]\nname = "c"\nprovider = "openai"\napi = "x"', "agent.models[2].api: "),
    ],
)
def test_an_api_is_one_of_three(tmp_path: Path, more: str, fault: str) -> None:
    assert faults(tmp_path, f"{VALID}\n{more}")[0].startswith(fault)


def test_a_model_for_embeddings_does_not_chat() -> None:
    """The default is the first other one."""
    embedding = {"name": "e", "provider": "openai", "api": "embeddings"}
    chat = {"name": "c", "provider": "openai", "api": "responses"}

    assert AgentConfig.model_validate({"models": [embedding, chat]}).default.name == "c"
    for fields, fault in (
        ({"models": [embedding]}, "at least one must have another api"),
        ({"models": [embedding, chat], "defaultModel": "e"}, "defaultModel: e has the api embeddings"),
        ({"models": [embedding, chat], "fallbacks": ["e"]}, "fallbacks: e: has the api embeddings"),
    ):
        with pytest.raises(ValidationError, match=fault):
            AgentConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("parameters = {temperature = 3}", "parameters.temperature: "),
        ("parameters = {max_tokens = 0}", "parameters.max_tokens: "),
        ('parameters = {reasoning_effort = "very high"}', "parameters.reasoning_effort: "),
        ("parameters = {stop = []}", "parameters.stop: "),
        ("parameters = {extra = {}}", "parameters.extra: "),
        ("parameters = {extra = {model = 1}}", "parameters.extra: model has a field of its own"),
        ("parameters = {extra = {max_completion_tokens = 1}}", "parameters.extra: max_completion_tokens has a field"),
        ("parameters = {extra = {a = [nan]}}", "parameters.extra: a: a number is not finite"),
        ("parameters = {extra = {a = 9223372036854775808}}", "parameters.extra: a: a number is not finite"),
        ("parameters = {extra = {a = 1979-05-27}}", "parameters.extra: a: only texts"),
        (f"parameters = {{extra = {{a = {'[' * 20}{']' * 20}}}}}", "parameters.extra: a: it has more than 16 levels"),
        (f'parameters = {{extra = {{a = "{"x" * 17_000}"}}}}', "parameters.extra: has more than 16384 characters"),
        ("timeouts = {first_byte_seconds = 0}", "timeouts.first_byte_seconds: "),
        ("timeouts = {connect_seconds = 61}", "timeouts.connect_seconds: "),
        ("tls = {}", "tls: set exactly one of caFrom and caFile"),
        (
            'tls = {ca_from = {secret_key_ref = {name = "a", key = "b"}}}',
            "tls.ca_from: only an AgentDeployment",
        ),
        ("tls = {ca_from = {}}", "tls.ca_from: set exactly one of"),
        ('probe = "tcp"', "probe: "),
    ],
)
def test_options_of_a_model_are_checked(tmp_path: Path, fields: str, fault: str) -> None:
    model = f'\n[[agent.models]]\nname = "c"\nprovider = "openai"\n{fields}'
    assert faults(tmp_path, VALID + model)[0].startswith(f"agent.models[2].{fault}")


def test_an_echo_model_has_no_options(tmp_path: Path) -> None:
    model = '\n[[agent.models]]\nname = "c"\nprovider = "echo"\nstreaming = false\nprobe = "none"'
    fault = "not a field of provider echo: remove it"
    assert faults(tmp_path, VALID + model) == [f"agent.models[2].{field}: {fault}" for field in ("streaming", "probe")]


def test_server_names_are_unique_and_fallbacks_are_models(tmp_path: Path) -> None:
    server = '\n[[agent.mcp]]\nname = "t"\ntype = "stdio"\ncommand = "x"\n'
    assert faults(tmp_path, VALID + server + server) == ["agent.mcp: every name must be unique: rename the duplicates"]
    (tmp_path / "other").mkdir()
    fallbacks = VALID.replace("[agent]", '[agent]\nfallbacks = ["c"]')
    assert faults(tmp_path / "other", fallbacks) == ["agent.fallbacks: c: not one of models: a, b"]


@pytest.mark.parametrize(("written", "resolved"), [("../api-keys/keys", "api-keys/keys"), ("/keys/file", "/keys/file")])
def test_the_api_keys_file_is_relative_to_the_config(tmp_path: Path, written: str, resolved: str) -> None:
    """Links are not followed, because Kubernetes mounts the config through a link."""
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "config").symlink_to(tmp_path / "elsewhere" / "deep")
    write(tmp_path / "config", VALID + f'[agent.server]\napi_keys_file = "{written}"\n')

    config, _ = load(tmp_path / "config" / "agent.toml")

    assert config.server is not None
    assert config.server.api_keys_file == str(tmp_path / resolved)
