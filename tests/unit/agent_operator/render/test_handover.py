"""Which Services keep which pods while a Deployment is adopted."""

from typing import Any

import pytest

from agent_operator.render.handover import Method, plan

Object = dict[str, Any]
APP = {"app": "x"}


def template(labels: Object, *ports: str) -> Object:
    listed = [{"name": name, "containerPort": 8000} if name else {"containerPort": 8000} for name in ports]
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "ports": listed}]}}


def deployment(selector: Object, pods: Object) -> Object:
    meta = {"name": "x", "namespace": "ns"}
    return {"metadata": meta, "spec": {"selector": {"matchLabels": selector}, "template": pods}}


def service(selector: Object | None, *targets: str | int, name: str = "x") -> Object:
    ports = [{"port": 80 + index, "targetPort": target} for index, target in enumerate(targets)]
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": {"selector": selector, "ports": ports}}


OWN = template(APP | {"agent-operator.dev/agent": "x"}, "http", "metrics")
DESIRED = {"Deployment": deployment(APP, OWN), "Service": service(APP, "http", "metrics")}
CANARY = DESIRED | {"Service": service({"agent-operator.dev/agent": "x"}, "http", "metrics")}
SEED = deployment(APP, template(APP, "http", "metrics"))
UNNAMED = deployment(APP, template(APP, ""))
TIERED = deployment(APP | {"tier": "api"}, template(APP | {"tier": "api"}, "http", "metrics"))
OTHER = deployment({"run": "x"}, template({"run": "x"}, "http"))

CASES: dict[str, tuple[Object, Object | None, Object | None, list[Object], Method, bool, str]] = {
    "nothing but a Service": (DESIRED, None, service(APP, 8000), [], Method.CREATE, True, ""),
    "the seed": (DESIRED, SEED, service(APP, "http"), [], Method.UPDATE, False, ""),
    "the Service of the seed stays": (DESIRED, SEED, None, [], Method.UPDATE, False, ""),
    "the former pods name no port": (DESIRED, UNNAMED, service(APP, 8000), [], Method.UPDATE, True, ""),
    "a canary selects by other labels": (CANARY, SEED, service(APP, "http"), [], Method.UPDATE, True, ""),
    "the selector has more labels": (DESIRED, TIERED, service(APP, "http"), [], Method.REPLACE, False, ""),
    "the Service selects more labels": (
        DESIRED,
        TIERED,
        service(TIERED["spec"]["selector"]["matchLabels"], "http"),
        [],
        Method.REPLACE,
        False,
        "",
    ),
    "the pods lack the label": (DESIRED, OTHER, None, [], Method.REPLACE, False, "its pods lack the label app=x"),
    "another Service selects more labels": (
        DESIRED,
        TIERED,
        None,
        [service(APP | {"tier": "api"}, "http", name="api")],
        Method.REPLACE,
        False,
        "Service ns/api would lose its pods",
    ),
    "another Service has a port of its own": (
        DESIRED,
        deployment(APP, template(APP, "web")),
        None,
        [service(APP, "web", name="api")],
        Method.UPDATE,
        False,
        "Service ns/api would lose its pods",
    ),
    "another Service selects both": (
        DESIRED, SEED, None, [service(APP, 8000, name="api")], Method.UPDATE, False, ""
    ),
    "Services of others": (
        DESIRED,
        SEED,
        None,
        [service({"app": "y"}, "http", name="y"), service(None, "http", name="z"), service({}, "http", name="w")],
        Method.UPDATE,
        False,
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_deployment_is_adopted_unless_a_service_would_lose_its_pods(case: str) -> None:
    desired, live, entry, others, method, deferred, problem = CASES[case]

    found = plan(desired, live, entry, [*([entry] if entry else []), *others])

    assert (found.method, found.deferred) == (method, deferred)
    assert [problem in str(it) for it in found.problems] == ([True] if problem else [])


def test_a_deployment_whose_fields_have_no_manager_is_replaced() -> None:
    """An apply would keep its other containers."""
    found = plan(DESIRED, SEED, service(APP, "http"), [], is_tracked=False)

    assert (found.method, found.problems) == (Method.REPLACE, ())


def test_the_service_of_the_agent_must_work_with_the_former_or_the_new_pods() -> None:
    """Neither the new Service reaches the former pods, nor the former Service the new pods."""
    live = deployment(APP, template(APP, "web"))
    entry = service(APP, "web")

    found = plan(DESIRED, live, entry, [entry])

    assert found.deferred
    (problem,) = found.problems
    assert "change the Service, or add its labels to spec.podTemplate.metadata.labels" in problem.message
