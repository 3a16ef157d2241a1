"""Environment variables: defaults, errors and secrets."""

import pytest

from agent_runtime import environment
from agent_runtime.config import ConfigError


def test_an_empty_variable_counts_as_unset() -> None:
    """A manifest may set a variable to an empty string, for example through a template."""
    read = environment.read({"LOG_LEVEL": "", "PORT_HTTP": "", "OPENAI_API_KEY": "", "HOME": "/"})

    assert read.model_dump() == environment.Environment().model_dump()
    assert read.secret("OPENAI_API_KEY") is None
    assert (read.listen_address, read.port_http, read.port_metrics) == (None, 8000, 9090)


def test_the_log_level_may_have_any_case() -> None:
    """`debug` and `DEBUG` are the same."""
    assert environment.read({"LOG_LEVEL": "debug"}).log_level == "DEBUG"


def test_an_error_names_every_invalid_variable_and_no_value() -> None:
    """A value may be a secret in the wrong variable."""
    with pytest.raises(ConfigError) as raised:
        environment.read({"PORT_HTTP": "99999", "DRAIN_DELAY_SECONDS": "soon", "AZURE_OPENAI_ENDPOINT": "sk-oops"})

    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [
        "PORT_HTTP",
        "DRAIN_DELAY_SECONDS",
        "AZURE_OPENAI_ENDPOINT",
    ]
    assert "sk-oops" not in str(raised.value)


def test_secrets_are_not_in_the_repr() -> None:
    """Secrets are available only through the property `secrets`."""
    read = environment.read({"OPENAI_API_KEY": "sk-1", "REDIS_PASSWORD": "pw"})

    assert "sk-1" not in repr(read)
    assert set(read.secrets) == {"sk-1", "pw"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_break_at_the_end_of_a_value_is_removed(end: str) -> None:
    """`kubectl create secret --from-file` keeps it."""
    read = environment.read(
        {"AZURE_OPENAI_ENDPOINT": f"https://a{end}", "REDIS_PASSWORD": f" pw {end}", "KEY": f"k{end}", "EMPTY": end}
    )

    assert read.azure_openai_endpoint == "https://a"
    assert read.secrets == (" pw ",)
    assert [secret and secret.get_secret_value() for secret in map(read.secret, ("KEY", "EMPTY"))] == ["k", None]
