"""Environment variables: defaults, errors and secrets."""

import pytest

from agent_runtime import environment
from agent_runtime.config import ConfigError


def test_an_empty_variable_counts_as_unset() -> None:
    """A manifest may set a variable to an empty string, for example through a template."""
    read = environment.read({"LOG_LEVEL": "", "PORT_HTTP": "", "OPENAI_API_KEY": "", "HOME": "/"})

    assert read == environment.Environment()
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
