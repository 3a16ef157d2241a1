"""Rules for numbers, which Go decodes to int64 if possible, and otherwise to float64."""

from collections.abc import Iterator
from typing import Any, Final

from kubeschema.errors import Cause, go_json, invalid

Object = dict[str, Any]

_BITS: Final = {"int32": 31, "int64": 63}


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether a JSON value is an integer that Go decodes exactly."""
    return is_number(value) and not is_huge(value) and value == int(value)


def is_huge(value: float) -> bool:
    """Whether a number does not fit into int64."""
    return not -(2**63) <= value < 2**63


def decoded(value: Any) -> Any:
    """Return the number that Go decodes."""
    if type(value) is not int or not is_huge(value):
        return value
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def format_of(value: Any) -> str:
    """Return the format that the server sees in a decoded value; only numbers have one."""
    return "" if not is_number(value) else "int64" if isinstance(value, int) else "float64"


def out_of_range(schema: Object, value: Any, path: str) -> Cause | None:
    """Return the error of a number that does not fit into the format of an integer."""
    if schema.get("type") != "integer" or not is_number(value):
        return None
    name = schema.get("format")
    bits = _BITS.get(name or "int64", 63)
    if -(2**bits) <= value < 2**bits and value == int(value):
        return None
    shown = f"with format {name}" if name else "(default format)"
    message = f"Checked value must be of type integer {shown} in {path}"
    return Cause("FieldValueInvalid", f'Invalid value: "": {message}', "<nil>")


def number(schema: Object, value: float, path: str) -> Iterator[Cause]:
    """Check minimum, maximum and multipleOf."""
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and (value <= least if schema.get("exclusiveMinimum") else value < least):
        bound = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {bound} {go_json(least)}")
    if most is not None and (value >= most if schema.get("exclusiveMaximum") else value > most):
        bound = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {bound} {go_json(most)}")
    step = schema.get("multipleOf")
    if step and value % step:
        yield invalid(path, value, f"{path} in body should be a multiple of {go_json(step)}")
