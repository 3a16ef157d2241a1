"""The fields of checks.json, and the messages about faults."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent_runtime.config import ConfigError
from agent_runtime.config.checks import MAX_FILE_BYTES, CheckConfig, ChecksConfig, load_checks, matcher


def check(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "prompt": "hi", "contains": ["x"]} | fields


def faults(directory: Path, content: Any) -> list[str]:
    """The lines of the error of load_checks."""
    path = directory / "checks.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ConfigError) as raised:
        load_checks(path)
    return str(raised.value).splitlines()


def test_a_valid_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checks.json"
    judge = {"model": "gpt", "criterion": "Is polite."}
    path.write_text(json.dumps({"checks": [check(notContains=["y"], maxLatencySeconds=5, maxTokens=9, judge=judge)]}))

    (read,) = load_checks(path).checks

    assert (read.not_contains, read.max_latency_seconds, read.max_tokens) == (("y",), 5, 9)
    assert read.judge is not None
    assert read.judge.criterion == "Is polite."


def test_dump_and_load_round_trip(tmp_path: Path) -> None:
    """A null in a schema is kept; unset fields are not written."""
    checks = ChecksConfig.model_validate({"checks": [check(jsonSchema={"const": None})]})
    (tmp_path / "checks.json").write_text(checks.dump())

    assert load_checks(tmp_path / "checks.json") == checks
    assert json.loads(checks.dump()) == {"checks": [check(jsonSchema={"const": None})]}


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": "A"}, "checks[0].name: "),
        ({"name": "a" * 64}, "checks[0].name: "),
        ({"prompt": ""}, "checks[0].prompt: "),
        ({"prompt": "x" * 32_001}, "checks[0].prompt: "),
        ({"contains": []}, "checks[0].contains: "),
        ({"contains": ["x", ""]}, "checks[0].contains[1]: "),
        ({"contains": None}, "checks[0]: nothing is expected: set contains, notContains, regex, jsonSchema"),
        ({"regex": "("}, "checks[0].regex: not a regular expression in RE2 syntax: unclosed group"),
        ({"regex": "a(?=b)"}, "checks[0].regex: not a regular expression in RE2 syntax: look-around"),
        ({"regex": r"(a)\1"}, "checks[0].regex: not a regular expression in RE2 syntax: backreferences"),
        ({"regex": r"(\w{99}){99}"}, "checks[0].regex: not a regular expression in RE2 syntax: Compiled regex exceeds"),
        ({"regex": ""}, "checks[0].regex: "),
        ({"jsonSchema": []}, "checks[0].jsonSchema: "),
        ({"jsonSchema": {"type": "text"}}, "checks[0].jsonSchema.type[0]: Input should be 'array', 'boolean'"),
        ({"jsonSchema": {"description": "x" * 40_000}}, "checks[0].jsonSchema: has more than 32768 bytes"),
        ({"maxLatencySeconds": 0}, "checks[0].maxLatencySeconds: "),
        ({"maxTokens": 0}, "checks[0].maxTokens: "),
        ({"judge": {"model": "gpt"}}, "checks[0].judge.criterion: "),
        ({"max_tokenz": 1}, "checks[0].max_tokenz: Extra inputs are not permitted"),
    ],
)
def test_a_fault_has_its_path(tmp_path: Path, fields: dict[str, Any], fault: str) -> None:
    (line,) = faults(tmp_path, {"checks": [check(**fields)]})

    assert line.startswith(fault)


@pytest.mark.parametrize("value", [date(2026, 1, 1), {1, 2}, float("inf"), b"x"])
def test_a_value_of_yaml_that_json_lacks_is_a_fault(value: Any) -> None:
    with pytest.raises(ValidationError, match="JSON cannot represent"):
        CheckConfig.model_validate(check(jsonSchema={"const": value}))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"checks": NaN}', b'{"checks": ' + b"[" * 100_000])
def test_a_file_that_is_no_json_object_is_named(tmp_path: Path, content: bytes) -> None:
    assert faults(tmp_path, content)[0].startswith(f"{tmp_path}/checks.json: ")


def test_a_missing_file_and_one_longer_than_a_config_map_are_faults(tmp_path: Path) -> None:
    assert "longer than" in faults(tmp_path, b" " * (MAX_FILE_BYTES + 1))[0]
    with pytest.raises(ConfigError, match="No such file"):
        load_checks(tmp_path / "missing.json")


def test_there_are_1_to_50_checks_with_unique_names(tmp_path: Path) -> None:
    assert faults(tmp_path, {"checks": []})[0].startswith("checks: ")
    assert faults(tmp_path, {"checks": [check(name=f"c{n}") for n in range(51)]})[0].startswith("checks: ")
    assert faults(tmp_path, {"checks": [check(), check()]}) == [
        "checks: every name must be unique: rename the duplicates"
    ]


def test_unknown_models_are_named() -> None:
    """The errors name unknown models of checks and of judges."""
    judge = {"model": "gpt-5", "criterion": "x"}
    checks = ChecksConfig.model_validate(
        {"checks": [check(model="gpt"), check(name="b", model="gtp"), check(name="c", judge=judge)]}
    )

    assert checks.unknown_models(["gpt", "echo"]) == (
        "checks[1].model: gtp is not one of models: gpt, echo",
        "checks[2].judge.model: gpt-5 is not one of models: gpt, echo",
    )


def test_a_pattern_takes_linear_time() -> None:
    """Python's engine takes exponential time for this one."""
    assert not matcher("(a+)+$")("a" * 100_000 + "!")
    assert matcher("(?i)^HELLO")("hello")


def test_limits_are_in_the_openapi_schema() -> None:
    """The schema contains the limits, so that the API server enforces them."""
    schema = CheckConfig.model_json_schema(by_alias=True)["properties"]

    text, texts = {"type": "string", "minLength": 1, "maxLength": 1024}, {"type": "array", "minItems": 1}
    assert texts.items() <= schema["contains"]["anyOf"][0].items()
    assert schema["contains"]["anyOf"][0]["items"] == text
    assert schema["regex"]["anyOf"][0] == text
    assert schema["prompt"]["maxLength"] == 32_000
    assert re.match(schema["name"]["pattern"], "a-1")
