"""The environment: defaults, faults, secrets."""

import pytest

from agent_runtime import environment
from agent_runtime.config import ConfigError


def test_empty_counts_as_absent() -> None:
    """Kubernetes sets a variable whose source is optional and missing to nothing."""
    read = environment.read({"LOG_LEVEL": "", "PORT_HTTP": "", "OPENAI_API_KEY": "", "HOME": "/"})

    assert read == environment.Environment()
    assert (read.listen_address, read.port_http, read.port_metrics) == ("0.0.0.0", 8000, 9090)


def test_log_level_in_any_case() -> None:
    """As people write it."""
    assert environment.read({"LOG_LEVEL": "debug"}).log_level == "DEBUG"


def test_every_fault_is_named_without_its_value() -> None:
    """Names are those of the variables."""
    with pytest.raises(ConfigError) as raised:
        environment.read({"PORT_HTTP": "99999", "DRAIN_DELAY_SECONDS": "soon", "AZURE_OPENAI_ENDPOINT": "sk-oops"})

    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [
        "PORT_HTTP",
        "DRAIN_DELAY_SECONDS",
        "AZURE_OPENAI_ENDPOINT",
    ]
    assert "sk-oops" not in str(raised.value)


def test_secrets_do_not_show() -> None:
    """Not in repr; only where they are asked for."""
    read = environment.read({"OPENAI_API_KEY": "sk-1", "REDIS_PASSWORD": "pw"})

    assert "sk-1" not in repr(read)
    assert set(read.secrets) == {"sk-1", "pw"}
