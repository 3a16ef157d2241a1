"""Authentication."""

import pytest
from aiohttp.test_utils import make_mocked_request

from localkube.apiserver.http.auth import ADMIN, ANONYMOUS, user
from localkube.meta.status import ApiError


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_token_is_that_of_the_administrator(scheme: str) -> None:
    """Kubernetes' Python client writes the scheme in lower case."""
    assert user(make_mocked_request("GET", "/", {"Authorization": f"{scheme} secret"}), "secret") == ADMIN


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer", "Basic secret", "secret"])
def test_other_credentials_are_refused(given: str) -> None:
    with pytest.raises(ApiError):
        user(make_mocked_request("GET", "/", {"Authorization": given}), "secret")


def test_a_request_without_credentials_is_anonymous() -> None:
    assert user(make_mocked_request("GET", "/"), "secret") == ANONYMOUS
