"""Prices of models, and how much the agent may use."""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from agent_runtime.config.base import ConfigModel
from agent_runtime.config.references import FilePath, KeyReference

# Bytes of the largest file: of about 500 models. It is parsed in the event loop.
MAX_FILE_BYTES = 64 * 1024
MILLION = 1_000_000
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0.01, le=1_000_000_000, allow_inf_nan=False)]


class BudgetConfig(ConfigModel):
    """How many tokens, or how much money, the agent may use."""

    tokens_per_day: int | None = Field(
        None,
        ge=1,
        description="Tokens of prompts and answers that all replicas together may use per day, from midnight to "
        "midnight UTC; after that, requests get 429. Replicas count together through memory.cache; without it, each "
        "replica counts separately. Default: no limit.",
    )
    tokens_per_month: int | None = Field(
        None, ge=1, description="Tokens per calendar month (UTC), like tokensPerDay. Default: no limit."
    )
    cost_per_day: Amount | None = Field(
        None, description="Money per day, in the currency of prices, like tokensPerDay. Default: no limit."
    )
    cost_per_month: Amount | None = Field(
        None, description="Money per calendar month (UTC), in the currency of prices. Default: no limit."
    )


class PricesSource(ConfigModel):
    """Where the prices of the models come from. A change takes effect within two minutes, without a restart."""

    config_map_key_ref: KeyReference | None = Field(
        None, description="Key of a ConfigMap with the prices in TOML, in the namespace of the children."
    )
    file: FilePath | None = Field(None, description="Path of the file with the prices in the pod.")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.config_map_key_ref is None) is (self.file is None):
            raise ValueError("set exactly one of configMapKeyRef and file")
        return self


class ModelPrice(ConfigModel):
    """Prices of one million tokens."""

    input: Price
    output: Price
    cached_input: Price | None = None

    def cost(self, prompt: int, completion: int, cached: int) -> float:
        """Return the cost of a call. `cached`: tokens of the prompt that the model's server had cached."""
        cached = min(cached, prompt)
        of_cached = self.input if self.cached_input is None else self.cached_input
        return ((prompt - cached) * self.input + cached * of_cached + completion * self.output) / MILLION


class PriceList(ConfigModel):
    """The file with the prices: by the name of a model in the config, or by its name or deployment upstream."""

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    models: dict[str, ModelPrice] = Field(default_factory=dict, max_length=1024)


def micros(amount: float) -> int:
    """Return an amount of money in millionths, rounded up, in which replicas count together."""
    return math.ceil(amount * MILLION)
