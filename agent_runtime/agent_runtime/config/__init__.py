"""The contract between operator and runtime: the fields of `agent.toml`.

The operator writes the file from these models, the runtime reads it into them, and `spec.config` of the CRD is
generated from them. Fields are snake_case in TOML and camelCase in the CR. The operator imports this package, so it
uses only pydantic and the standard library.
"""

from agent_runtime.config.agent import PROMPT_FILE, AgentConfig, AgentFile, AgentSection, identifies_callers
from agent_runtime.config.auth import AuthConfig, JwtConfig
from agent_runtime.config.backends import McpServerConfig, MemoryConfig
from agent_runtime.config.base import ConfigModel, EnvironmentName, HeaderName, HttpUrl, LogLevel, Name
from agent_runtime.config.callers import (
    KEEP_ALIVE_SECONDS,
    MAX_BODY_BYTES,
    CardConfig,
    ChatPageConfig,
    LimitsConfig,
    ServerConfig,
    SkillConfig,
)
from agent_runtime.config.load import MAX_PROMPT_BYTES, ConfigError, explain, load
from agent_runtime.config.model_options import CaSource, ModelParameters, ModelTimeouts, ModelTls
from agent_runtime.config.models import ApiKeySource, ModelConfig
from agent_runtime.config.prices import BudgetConfig, ModelPrice, PriceList, PricesSource
from agent_runtime.config.redis import CacheConfig, RedisTls
from agent_runtime.config.references import KeyReference

CONFIG_FILE = "agent.toml"

__all__ = [
    "CONFIG_FILE",
    "KEEP_ALIVE_SECONDS",
    "MAX_BODY_BYTES",
    "MAX_PROMPT_BYTES",
    "PROMPT_FILE",
    "AgentConfig",
    "AgentFile",
    "AgentSection",
    "ApiKeySource",
    "AuthConfig",
    "BudgetConfig",
    "CaSource",
    "CacheConfig",
    "CardConfig",
    "ChatPageConfig",
    "ConfigError",
    "ConfigModel",
    "EnvironmentName",
    "HeaderName",
    "HttpUrl",
    "JwtConfig",
    "KeyReference",
    "LimitsConfig",
    "LogLevel",
    "McpServerConfig",
    "MemoryConfig",
    "ModelConfig",
    "ModelParameters",
    "ModelPrice",
    "ModelTimeouts",
    "ModelTls",
    "Name",
    "PriceList",
    "PricesSource",
    "RedisTls",
    "ServerConfig",
    "SkillConfig",
    "explain",
    "identifies_callers",
    "load",
]
