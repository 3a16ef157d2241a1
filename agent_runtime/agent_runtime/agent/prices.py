"""What the calls of models cost, by a file with prices that others may change while the agent runs."""

import asyncio
import logging
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent_runtime.config import ModelPrice, PriceList, explain
from agent_runtime.config.prices import MAX_FILE_BYTES
from agent_runtime.health import UnhealthyError

# Seconds between two looks at the file. The kubelet updates the volume of a ConfigMap within about a minute.
INTERVAL = 30.0
# Models in a message.
_NAMED = 5

log = logging.getLogger(__name__)


class Prices:
    """The prices of the models of an agent. A model without a price costs nothing.

    With a budget in money they are a health component, because such a model does not spend any of it.

    Attributes:
        currency: of all prices.
    """

    name = "prices"

    def __init__(self, file: Path, models: Mapping[str, str], free: Collection[str] = ()) -> None:
        """Read the file. `models`: name in the config -> name or deployment upstream. `free` need no price."""
        self._file, self._models, self._free = file, models, free
        self._version: tuple[int, int] | None = None
        self._by_model: Mapping[str, ModelPrice] = {}
        self.currency = "USD"
        self.refresh()

    def cost(self, model: str, prompt: int, completion: int, cached: int) -> float:
        """Return the cost of a call of a model."""
        price = self._by_model.get(model)
        return 0.0 if price is None else price.cost(prompt, completion, cached)

    async def probe(self) -> dict[str, Any]:
        """Check that each model has a price; see health.Component.

        Raises:
            UnhealthyError: a model has none.
        """
        if missing := [name for name in self._models if name not in self._by_model and name not in self._free]:
            names = ", ".join(missing[:_NAMED])
            message = f"no price for {names}: its calls do not count against the budget: add it to the file of prices"
            raise UnhealthyError(message, "PriceMissing")
        return {}

    def refresh(self) -> None:
        """Read the file if it has changed. The former prices apply as long as it cannot be read."""
        try:
            status = self._file.stat()
            version = (status.st_mtime_ns, status.st_size)
            if version == self._version:
                return
            self._version = version
            found = self._read()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            log.warning("no prices: correct the file", extra={"fields": {"file": str(self._file), "error": why}})
            return
        self.currency = found.currency
        self._by_model = {
            name: price
            for name, upstream in self._models.items()
            if (price := found.models.get(name) or found.models.get(upstream))
        }

    def _read(self) -> PriceList:
        """Read the file.

        Raises:
            OSError, ValueError: it cannot be read, or is not valid.
        """
        with self._file.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"more than {MAX_FILE_BYTES} bytes: remove models")
        try:
            return PriceList.model_validate(tomllib.loads(content.decode()))
        except ValidationError as error:
            raise ValueError(explain(error, snake_case=True)) from None
        except RecursionError:
            raise ValueError("too deeply nested: write one table per model") from None

    async def watch(self) -> None:
        """Read the file again after each change, in a loop that never returns."""
        while True:
            await asyncio.sleep(INTERVAL)
            self.refresh()
