"""Checks a model's arguments for a tool against the schema that the tool's server declares."""

from collections.abc import Mapping
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from agent_runtime.models.base import Json
from agent_runtime.tools.json_schema import compiled, first_error
from agent_runtime.tools.toolbox import ToolError

MAX_SCHEMA_BYTES = 64 * 1024
# The check runs in the event loop, so it also limits how long one call can delay all other requests. A common schema
# takes 2 ms, and arguments 0.05 ms.
CPU_SECONDS = 0.25
MAX_REASON = 500
_TOO_SLOW = "the tool's schema takes too long to check"


class ArgumentCheck:
    """Checks the arguments of one tool. The first check compiles the schema, which takes longer than a check."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._validator: Validator | None = None
        self._too_slow = False

    def __call__(self, arguments: Json) -> None:
        """Check arguments.

        Raises:
            ToolError: the arguments do not match the schema, or the schema cannot be used.
        """
        if self._too_slow:
            raise ToolError(_TOO_SLOW)
        try:
            if self._validator is None:
                self._validator = self._compiled()
            error = first_error(self._validator, arguments, CPU_SECONDS)
        except ToolError:
            raise
        except TimeoutError:
            # A model may repeat the call many times, so only the first call may cost CPU_SECONDS.
            self._too_slow = True
            raise ToolError(_TOO_SLOW) from None
        except Exception:  # noqa: BLE001  (foreign input; jsonschema lists no complete set of errors)
            raise ToolError("the tool's schema is not valid") from None
        if error is not None:
            raise ToolError(f"invalid arguments: {error.message[:MAX_REASON]}")

    def _compiled(self) -> Validator:
        if len(orjson.dumps(self.schema)) > MAX_SCHEMA_BYTES:
            raise ToolError(f"the tool's schema is longer than {MAX_SCHEMA_BYTES} bytes")
        return compiled(self.schema, CPU_SECONDS, validator_for(self.schema, default=Draft202012Validator))
