"""A container's environment."""

from base64 import b64encode
from typing import Any

import pytest

from kubeschema import quantity
from localkube.node import environment
from localkube.node.environment import Sources, declared, expand
from localkube.node.errors import ConfigError

CONFIG = {"data": {"KEY": "value", "not a name": "x"}}
SECRET = {"data": {"password": b64encode(b"xyzzy").decode()}}
SOURCES = Sources({"config": CONFIG}.get, {"hidden": SECRET}.get)


def env_of(pod: dict[str, Any], *entries: dict[str, Any], **container: Any) -> dict[str, str]:
    return declared(pod, {"env": list(entries), **container}, SOURCES, {"INHERITED": "i"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A) and $(A)", "1 and 1"),
        ("$$(A)", "$(A)"),
        ("$(B)", "$(B)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$$$(A)", "$1"),
        ("$(A", "$(A"),
    ],
)
def test_variables_are_expanded_like_in_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_a_value_may_refer_to_earlier_variables(pod: Any) -> None:
    found = env_of(pod, {"name": "A", "value": "$(INHERITED)$(B)"}, {"name": "B", "value": "$(A)!"})
    assert found == {"A": "i$(B)", "B": "i$(B)!"}


def test_env_from_adds_every_key_that_is_a_valid_name(pod: Any) -> None:
    sources = [{"configMapRef": {"name": "config"}, "prefix": "C_"}, {"secretRef": {"name": "hidden"}}]
    assert env_of(pod, envFrom=sources) == {"C_KEY": "value", "password": "xyzzy"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "one"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['no']", ""),
        ("status.podIP", "127.0.0.7"),
        ("spec.nodeName", "local"),
        ("spec.serviceAccountName", "default"),
    ],
)
def test_fields(pod: Any, path: str, expected: str) -> None:
    assert env_of(pod, {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}) == {"A": expected}


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"secretKeyRef": {"name": "no", "key": "k"}}, 'secret "no" not found'),
        ({"secretKeyRef": {"name": "hidden", "key": "k"}}, "couldn't find key k in Secret default/hidden"),
        ({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found'),
        ({"configMapKeyRef": {"name": "config", "key": "k"}}, "couldn't find key k in ConfigMap default/config"),
        ({"fieldRef": {"fieldPath": "status.phase"}}, "unsupported fieldPath: status.phase"),
        ({"fileKeyRef": {}}, "env A: the local cluster does not support fileKeyRef"),
    ],
)
def test_missing_references_are_reported_like_by_a_kubelet(pod: Any, origin: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        env_of(pod, {"name": "A", "valueFrom": origin})
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["no", "hidden"])
def test_a_missing_optional_reference_is_ignored(pod: Any, name: str) -> None:
    origin = {"secretKeyRef": {"name": name, "key": "k", "optional": True}}
    assert env_of(pod, {"name": "A", "valueFrom": origin}) == {}
    assert env_of(pod, envFrom=[{"secretRef": {"name": "no", "optional": True}}]) == {}


def test_a_resource_is_rounded_up_to_its_divisor(pod: Any) -> None:
    resources = {"limits": {"memory": "1Gi", "cpu": "1500m"}}

    def entry(resource: str, divisor: str) -> dict[str, Any]:
        return {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}}

    assert env_of(pod, entry("limits.memory", "1Mi"), resources=resources) == {"A": "1024"}
    assert env_of(pod, entry("limits.cpu", "0"), resources=resources) == {"A": "2"}
    assert env_of(pod, entry("limits.cpu", "1m"), resources=resources) == {"A": "1500"}
    assert env_of(pod, entry("requests.cpu", "1"), resources=resources) == {"A": "0"}


@pytest.mark.parametrize(
    ("text", "number"), [("2", 2), ("500m", 0.5), ("1k", 1000), ("1.5Gi", 1.5 * 2**30), ("1E", 10**18)]
)
def test_quantities(text: str, number: float) -> None:
    assert float(quantity.parse(text)) == number


def test_services_have_environment_variables() -> None:
    ports = [{"name": "http", "port": 80}, {"name": "metrics-x", "port": 90}]
    headless = {"metadata": {"name": "none"}, "spec": {"clusterIP": "None", "ports": ports}}
    service = {"metadata": {"name": "my-web"}, "spec": {"clusterIP": "127.65.0.1", "ports": ports}}
    assert environment.service_links([headless, service]) == {
        "MY_WEB_SERVICE_HOST": "127.65.0.1",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP": "80",
        "MY_WEB_SERVICE_PORT_METRICS_X": "90",
    }
