"""Problems from answers of the API server."""

import pytest

from agent_operator.kube.objects import Ref
from agent_operator.kube.transport import ApiError
from agent_operator.status.problems import from_api, refused
from agent_operator.status.rejections import RejectedChild

SERVICE = RejectedChild(Ref("Service", "ns", "a"), {"kind": "Service"}, {})
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


def test_an_unreachable_server_and_a_missing_right_have_different_reasons() -> None:
    assert from_api(ApiError(0, "Unreachable", "x")).reason == "ApiUnavailable"
    assert from_api(ApiError(403, "Forbidden", "x")).reason == "Forbidden"


def test_the_message_about_a_permission_has_a_limit() -> None:
    assert len(from_api(ApiError(403, "Forbidden", "x" * 500_000)).message) < 5_000
