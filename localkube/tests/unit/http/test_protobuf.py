"""Protobuf bodies: recordings of kubectl, and invalid ones."""

import pytest

from localkube.apiserver.http import protobuf
from localkube.meta.status import ApiError

# Recorded from kubectl 1.37: create namespace, create secret generic, create deployment.
NAMESPACE = (
    b"k8s\x00\n\x0f\n\x02v1\x12\tNamespace\x12\x1c"
    b'\n\x14\n\x04demo\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00\x12\x00\x1a\x02\n\x00\x1a\x00"\x00'
)
SECRET = (
    b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\x1d"
    b'\n\x11\n\x01a\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00\x12\x06\n\x01k\x12\x01v\x1a\x00\x1a\x00"\x00'
)
DEPLOYMENT = (
    b'k8s\x00\n\x15\n\x07apps/v1\x12\nDeployment\x12\x9b\x01\n\x1b\n\x01a\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00Z\x08'
    b'\n\x03app\x12\x01a\x12n\x08\x01\x12\n\n\x08\n\x03app\x12\x01a\x1aV\n\x1a\n\x00\x12\x00\x1a\x00"\x00*\x002\x008\x00B'
    b"\x00Z\x08\n\x03app\x12\x01a\x128\x12\x1a\n\x01b\x12\x01b*\x00B\x00j\x00r\x00\x80\x01\x00\x88\x01\x00\x90\x01\x00"
    b'\xa2\x01\x00\x1a\x002\x00B\x00J\x00R\x00X\x00`\x00h\x00\x82\x01\x00\x8a\x01\x00\x9a\x01\x00\xc2\x01\x00"\x02\n\x00'
    b'(\x008\x00\x1a\x0c\x08\x00\x10\x00\x18\x00 \x00(\x008\x00\x1a\x00"\x00'
)


def test_a_namespace_is_decoded() -> None:
    found = protobuf.decode(NAMESPACE)
    assert (found["apiVersion"], found["kind"], found["metadata"]["name"]) == ("v1", "Namespace", "demo")


def test_bytes_become_base64() -> None:
    assert protobuf.decode(SECRET)["data"] == {"k": "dg=="}


def test_nested_messages_lists_and_maps_are_decoded() -> None:
    spec = protobuf.decode(DEPLOYMENT)["spec"]
    assert spec["replicas"] == 1
    assert spec["selector"]["matchLabels"] == {"app": "a"}
    container = spec["template"]["spec"]["containers"][0]
    assert (container["name"], container["image"]) == ("b", "b")


@pytest.mark.parametrize("body", [b"", b"{}", NAMESPACE[:20], b"k8s\x00\xff\xff\xff", b"k8s\x00\x0f"])
def test_an_invalid_message_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        protobuf.decode(body)
    assert caught.value.code in (400, 501)


def test_a_kind_without_field_numbers_gets_501() -> None:
    with pytest.raises(ApiError) as caught:
        protobuf.decode(b"k8s\x00\n\x10\n\x02v1\x12\nComponents")
    assert caught.value.code == 501
