"""One hostile object in a response does not keep the operator from reading the others."""

import json
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.decoding import DecodeError, decode, decode_event, decode_page
from agent_operator.kube.stubs import TOO_LARGE, UNREADABLE
from agent_operator.reconcile.step_timer import StepTimer
from tests.cpu_time import LIMIT

META: dict[str, Any] = {
    "name": "poison",
    "namespace": "team",
    "uid": "u-1",
    "resourceVersion": "7",
    "labels": {constants.LABEL_AGENT: "x", "other": "y"},
    "ownerReferences": [{"kind": "AgentDeployment", "name": "x", "uid": "u-0", "controller": True}],
}
IDENTITY = META | {"labels": {constants.LABEL_AGENT: "x"}}
GOOD = json.dumps({"metadata": {"name": "good", "resourceVersion": "8"}, "spec": {"a": '"}]{['}})


def nested(levels: int, key: str = "a") -> str:
    return f'{{"{key}":' * levels + "{}" + "}" * levels


def text(**fields: Any) -> str:
    """Return an object as JSON, with raw JSON in the place of each value that starts with `@`."""
    raw = {key: value[1:] for key, value in fields.items() if isinstance(value, str) and value.startswith("@")}
    written = json.dumps(fields)
    for value in raw.values():
        written = written.replace(json.dumps(f"@{value}"), value)
    return written


def hostile_event(obj: str) -> bytes:
    return f'{{"type":"ADDED","object":{obj}}}'.encode()


HOSTILE = {
    **{f"{levels} levels": text(metadata=META, spec="@" + nested(levels)) for levels in (210, 1_100, 5_000, 10_000)},
    "deep list": text(metadata=META, spec="@" + "[" * 5_000 + "]" * 5_000),
    "lone surrogate": text(metadata=META, spec='@"\\ud800"'),
    "huge number": text(metadata=META, spec="@" + "1" * 5_000),
    "many lists": text(metadata=META, spec="@[" + "[]," * 200_000 + "[]]"),
    "invalid escape": text(metadata=META, spec='@"\\q"'),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_item_of_a_list_becomes_a_stub(hostile: str) -> None:
    page = f'{{"items":[{GOOD},{hostile},{GOOD}],"metadata":{{"resourceVersion":"9","continue":"next"}}}}'
    read = await decode_page(page.encode())
    assert (read.version, read.token) == ("9", "next")
    first, stub, last = read.items
    assert first == last == json.loads(GOOD)
    assert stub.pop(UNREADABLE)
    assert stub == {"metadata": IDENTITY}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_object_of_an_event_becomes_a_stub(hostile: str) -> None:
    event = await decode_event(f'{{"type":"MODIFIED","object":{hostile}}}'.encode())
    assert event["type"] == "MODIFIED"
    assert event["object"]["metadata"] == IDENTITY
    assert event["object"][UNREADABLE]


async def test_invalid_utf8_becomes_a_stub() -> None:
    hostile = text(metadata=META, spec="X").encode().replace(b"X", b"\xff\xfe")
    (stub,) = (await decode_page(b'{"metadata":{},"items":[%s]}' % hostile)).items
    assert stub["metadata"] == IDENTITY
    assert stub[UNREADABLE]


async def test_many_brackets_in_strings_are_no_values() -> None:
    obj = json.dumps({"metadata": META, "data": {"a": "[" * 200_000}})
    event = await decode_event(hostile_event(obj))
    assert event == {"type": "ADDED", "object": json.loads(obj)}


async def test_many_managed_fields_are_left_out() -> None:
    fields = ",".join(f'"f:{number}":{{}}' for number in range(200_000))
    obj = f'{{"metadata":{{"name":"poison","managedFields":[{{"fieldsV1":{{{fields}}}}}]}},"data":{{"k":"v"}}}}'
    event = await decode_event(hostile_event(obj))
    assert event["object"] == {"metadata": {"name": "poison", "managedFields": []}, "data": {"k": "v"}}


async def test_no_object_blocks_the_event_loop() -> None:
    """The largest object that the API server accepts, as an item and in an event."""
    hostile = text(metadata=META, spec="@[" + "[]," * 500_000 + "[]]")
    for decoding_of in (decode_page(f'{{"items":[{hostile}]}}'.encode()), decode_event(hostile_event(hostile))):
        timer = StepTimer(decoding_of)
        await timer
        assert timer.longest <= LIMIT


@pytest.mark.parametrize("levels", [210, 1_100, 10_000])
async def test_deep_managed_fields_are_left_out(levels: int) -> None:
    """The keys of custom resources are sorted, so managedFields come before the name."""
    for order in (("managedFields", "name"), ("name", "managedFields")):
        meta = {"name": '"poison"', "managedFields": f'[{{"fieldsV1":{nested(levels)}}}]'}
        fields = ",".join(f'"{key}":{meta[key]}' for key in order)
        obj = f'{{"apiVersion":"v1","metadata":{{{fields},"resourceVersion":"3"}},"data":{{"k":"v"}}}}'
        expected = {"metadata": {"name": "poison", "managedFields": [], "resourceVersion": "3"}, "data": {"k": "v"}}
        assert decode(obj.encode()) == {"apiVersion": "v1"} | expected
        (item,) = (await decode_page(f'{{"metadata":{{}},"items":[{obj}]}}'.encode())).items
        assert item == {"apiVersion": "v1"} | expected


async def test_start_of_a_long_line_identifies_the_object() -> None:
    line = f'{{"type":"ADDED","object":{text(kind="Pod", metadata=META, spec="x" * 1_000)}}}'
    event = await decode_event(line[:-500].encode(), is_cut=True)
    assert event == {"type": "ADDED", "object": {"metadata": IDENTITY, UNREADABLE: TOO_LARGE}}


@pytest.mark.parametrize(
    ("meta", "kept"),
    [
        ({"name": "a", "labels": [1]}, {"name": "a"}),
        ({"name": "a", "labels": "x", "uid": 5}, {"name": "a"}),
        ({"name": "a", "annotations": 1, "ownerReferences": {"a": 1}}, {"name": "a"}),
        ({"name": "a", "namespace": None, "ownerReferences": [None, 5, {"controller": True}]}, None),
    ],
)
async def test_metadata_of_unexpected_types_is_reduced(meta: dict[str, Any], kept: dict[str, Any] | None) -> None:
    page = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [{"metadata": meta}, json.loads(GOOD)]})
    stub, good = (await decode_page(page.encode())).items
    assert good == json.loads(GOOD)
    assert stub[UNREADABLE]
    owners = [{"uid": "", "kind": "", "controller": True}]
    assert stub["metadata"] == (kept or {"name": "a", "ownerReferences": owners})


@pytest.mark.parametrize("items", [[None], [5], [[]], [{}], [{"metadata": None}], [{"metadata": {"name": 5}}]])
async def test_item_without_a_name_is_left_out(items: list[Any]) -> None:
    page = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [*items, json.loads(GOOD)]})
    assert (await decode_page(page.encode())).items == [json.loads(GOOD)]


@pytest.mark.parametrize("payload", [b"", b"<html>", b"5", b"[]", b'{"items":[', b'{"items":[{"a":1}', b'{"metadata":'])
async def test_text_that_is_no_list_is_an_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await decode_page(payload)
    with pytest.raises(DecodeError):
        decode(b"[]")


@pytest.mark.parametrize("line", [b"{}", b"x", b'{"type":"ADDED","object":null}', b'{"type":"ADDED","object":{}}'])
async def test_event_of_no_known_object_is_an_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await decode_event(line)
