"""Problems from answers of the API server."""

import time

import pytest

from agent_operator.kube.objects import Ref
from agent_operator.kube.transport import ApiError
from agent_operator.status.problems import from_api, refused
from tests.cpu_time import LIMIT

SERVICE = Ref("Service", "ns", "a")
REFUSALS = [
    (403, 'services is forbidden: User "x" cannot patch', "Forbidden", False),
    (
        403,
        "services is forbidden: unable to create in namespace ns because it is being terminated",
        "NamespaceTerminating",
        True,
    ),
    (403, "admission policy says no", "Rejected", False),
    (404, 'namespaces "ns" not found', "NamespaceMissing", True),
    (404, "the server could not find the requested resource", "ApiMissing", True),
    (422, "spec.ports: Duplicate value", "Rejected", False),
    (500, "boom", "ApiUnavailable", True),
]


@pytest.mark.parametrize(("code", "message", "reason", "retry"), REFUSALS)
def test_a_refusal_names_the_object_and_the_remedy(code: int, message: str, reason: str, retry: bool) -> None:
    problem = refused(SERVICE, ApiError(code, "", message), namespace_managed=True)
    assert (problem.reason, problem.retry) == (reason, retry)
    assert reason == "ApiUnavailable" or "ns" in problem.message


@pytest.mark.parametrize(("managed", "remedy"), [(True, "finalizers"), (False, "create it again")])
def test_the_remedy_for_a_deleted_namespace_depends_on_who_creates_it(managed: bool, remedy: str) -> None:
    error = ApiError(403, "Forbidden", "services is forbidden: namespace ns is being terminated")
    assert remedy in refused(SERVICE, error, namespace_managed=managed).message.partition(" is being deleted: ")[2]


def test_the_message_about_a_secret_is_not_quoted() -> None:
    problem = refused(
        Ref("Secret", "ns", "a"), ApiError(422, "Invalid", 'data: Invalid value: "hunter2"'), namespace_managed=True
    )
    assert "hunter2" not in problem.message


def test_only_the_values_of_variables_are_left_out() -> None:
    message = (
        'Deployment.apps "a" is invalid: [spec.template.spec.containers[0].env[2].value: Invalid value: "hunter2, a": '
        "may not be, spec.template.spec.containers[0].image: Required value]"
    )

    found = refused(Ref("Deployment", "ns", "a"), ApiError(422, "Invalid", message), namespace_managed=True).message

    assert "hunter2" not in found
    assert "containers[0].env[2].value: Invalid value: (left out), spec.template.spec.containers[0].image: Req" in found


def test_an_unreachable_server_and_a_missing_right_have_different_reasons() -> None:
    assert from_api(ApiError(0, "Unreachable", "x")).reason == "ApiUnavailable"
    assert from_api(ApiError(403, "Forbidden", "x")).reason == "Forbidden"


def test_a_message_that_quotes_a_large_object_takes_little_time() -> None:
    """The pattern of values takes quadratic time."""
    message = "env[" * 500_000 + "env[0].value: Invalid value: " + "x" * 500_000
    began = time.thread_time()
    found = refused(Ref("Deployment", "ns", "a"), ApiError(422, "Invalid", message), namespace_managed=True).message
    assert time.thread_time() - began < LIMIT
    assert len(found) < 3_000
    assert len(from_api(ApiError(403, "Forbidden", message)).message) < 5_000
