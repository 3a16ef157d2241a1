"""Validation of metadata and of updates, and the resulting Status."""

from collections.abc import Callable
from typing import Any

import pytest

from kubeschema.errors import Cause
from kubeschema.kinds.validation import validate_create, validate_metadata, validate_update
from localkube.meta.status import invalid

Object = dict[str, Any]
Gvk = tuple[str, str, str]
Complete = Callable[[Gvk, Object], Object]
CONFIG_MAP, SECRET, POD, SERVICE = (("", "v1", kind) for kind in ("ConfigMap", "Secret", "Pod", "Service"))
DEPLOYMENT = ("apps", "v1", "Deployment")
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
LABELS = {"app": "a"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def test_several_ports_require_names(complete: Complete) -> None:
    found = validate_create(SERVICE, complete(SERVICE, {"spec": {"ports": [{"port": 80}, {"port": 81}]}}))
    assert found == [Cause("FieldValueRequired", "Required value", f"spec.ports[{at}].name") for at in (0, 1)]


def test_a_selector_is_immutable(complete: Complete) -> None:
    old = complete(DEPLOYMENT, {"spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}})
    labels = {"app": "a", "z": "1"}
    template = {**TEMPLATE, "metadata": {"labels": labels}}
    new = complete(DEPLOYMENT, {"spec": {"selector": {"matchLabels": labels}, "template": template}})
    message = 'Invalid value: {"matchLabels":{"app":"a","z":"1"}}: field is immutable'
    assert validate_update(DEPLOYMENT, old, new) == [Cause("FieldValueInvalid", message, "spec.selector")]


def test_an_immutable_config_map(complete: Complete) -> None:
    gvk = CONFIG_MAP
    old = complete(gvk, {"data": {"k": "v"}, "immutable": True})
    new = complete(gvk, {"data": {"k": "w"}})
    message = "Forbidden: field is immutable when `immutable` is set"
    causes = [Cause("FieldValueForbidden", message, field) for field in ("immutable", "data")]
    assert validate_update(gvk, old, new) == causes


def test_the_type_of_a_secret_is_immutable_and_requires_its_keys(complete: Complete) -> None:
    gvk = SECRET
    old = complete(gvk, {"data": {"K": "dg=="}})
    new = complete(gvk, {"data": {"K": "dg=="}, "type": "kubernetes.io/tls"})
    assert [(c.field, c.message) for c in validate_update(gvk, old, new)] == [
        ("type", 'Invalid value: "kubernetes.io/tls": field is immutable'),
        ("data[tls.crt]", "Required value"),
        ("data[tls.key]", "Required value"),
    ]


def test_errors_do_not_contain_secret_values(complete: Complete) -> None:
    gvk = SECRET
    given = {"data": {".dockerconfigjson": "c2VjcmV0"}, "type": "kubernetes.io/dockerconfigjson"}
    causes = validate_create(gvk, complete(gvk, given))
    assert "secret contents redacted" in causes[0].message
    assert "c2VjcmV0" not in causes[0].message


def test_the_spec_of_a_pod_is_immutable_except_for_images(complete: Complete) -> None:
    gvk = POD
    base = {"name": "c", "image": "i"}
    old, image, command = (
        complete(POD, {"spec": {"containers": [{**base, **more}]}})
        for more in ({}, {"image": "other"}, {"command": ["x"]})
    )
    image["spec"]["containers"][0]["imagePullPolicy"] = old["spec"]["containers"][0]["imagePullPolicy"]
    assert validate_update(gvk, old, image) == []
    assert [cause.reason for cause in validate_update(gvk, old, command)] == ["FieldValueForbidden"]


def test_an_object_being_deleted_gets_no_new_finalizers() -> None:
    gvk = CONFIG_MAP
    metadata = {"name": "x", "namespace": "n", "deletionTimestamp": "t", "finalizers": ["a.b/c"]}
    new = {"metadata": {**metadata, "finalizers": ["a.b/c", "a.b/d"]}}
    causes = validate_update(gvk, {"metadata": metadata}, new)
    assert str(invalid("", "ConfigMap", "x", causes)) == (
        'ConfigMap "x" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is '
        'being deleted, found new finalizers []string{"a.b/d"}'
    )


METADATA = [
    ({}, "metadata.name", "Required value: name or generateName is required"),
    ({"name": "UPPER"}, "metadata.name", f'Invalid value: "UPPER": {SUBDOMAIN}'),
    ({"name": "a" * 254}, "metadata.name", f'Invalid value: "{"a" * 254}": must be no more than 253 bytes'),
    (
        {"name": "x", "labels": {"x": "spaces here"}},
        "metadata.labels",
        f'Invalid value: "spaces here": {LABEL_VALUE}',
    ),
    (
        {"name": "x", "labels": {"x": "a" * 64}},
        "metadata.labels",
        f'Invalid value: "{"a" * 64}": must be no more than 63 bytes',
    ),
    (
        {"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n"}]},
        "metadata.ownerReferences[0].uid",
        'Invalid value: "": must not be empty',
    ),
    (
        {"name": "x", "finalizers": ["plain"]},
        "metadata.finalizers",
        'Invalid value: "plain": name is neither a standard finalizer name nor is it fully qualified',
    ),
]


@pytest.mark.parametrize(("metadata", "field", "message"), METADATA)
def test_metadata(metadata: Object, field: str, message: str) -> None:
    found = validate_metadata({"metadata": metadata}, namespaced=False)
    assert [(cause.field, cause.message) for cause in found] == [(field, message)]


def test_names_of_namespaces_and_services_are_labels(complete: Complete) -> None:
    assert validate_create(("", "v1", "Namespace"), {"metadata": {"name": "a.b"}}, namespaced=False) != []
    service = complete(SERVICE, {"metadata": {"name": "1svc", "namespace": "n"}, "spec": {"ports": [{"port": 80}]}})
    assert validate_create(SERVICE, service) == []


def test_an_invalid_key_in_data_is_refused(complete: Complete) -> None:
    gvk = CONFIG_MAP
    cause = Cause("FieldValueInvalid", f'Invalid value: "a b": {CONFIG_KEY}', "data[a b]")
    assert validate_create(gvk, complete(gvk, {"data": {"a b": "1"}})) == [cause]


def test_the_status_of_several_errors() -> None:
    """Several errors are in brackets. Duplicate errors are reported once."""
    causes = [Cause("FieldValueRequired", "Required value", field) for field in ("a", "b", "b")]
    status = invalid("apps", "Deployment", "x", causes).status
    assert status["message"] == 'Deployment.apps "x" is invalid: [a: Required value, b: Required value]'
    assert status["details"]["group"] == "apps"
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert len(status["details"]["causes"]) == 3
