"""Options of the whole suite."""

import pytest
from hypothesis import HealthCheck, settings

# pytest --hypothesis-profile=thorough: takes some minutes, so not for every run.
settings.register_profile("thorough", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig",
        default=None,
        help="run what needs an API server against this cluster; default: the local cluster, started for the tests",
    )
    parser.addoption("--rollouts", type=int, default=3, help="how many rollouts may cut no stream; default: 3")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the cluster under test cannot show: on the local one everybody may do everything."""
    marker = "local_only" if config.getoption("--kubeconfig") else "authorization"
    left_out = [item for item in items if item.get_closest_marker(marker)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
