"""The contract between operator and runtime: what `agent.toml` may say.

The operator writes the file from these models, the runtime reads it back into them, and the CRD's `spec.config` is
generated from them. Fields are snake_case in TOML and camelCase in the CR. Only pydantic and the standard library here.
"""

from agent_runtime.config.agent import PROMPT_FILE, AgentConfig, AgentFile, AgentSection
from agent_runtime.config.backends import CacheConfig, McpServerConfig, MemoryConfig, ModelConfig
from agent_runtime.config.base import ConfigModel, EnvironmentName, HeaderName, HttpUrl, LogLevel, Name
from agent_runtime.config.callers import (
    BudgetConfig,
    CardConfig,
    ChatPageConfig,
    LimitsConfig,
    ServerConfig,
    SkillConfig,
)
from agent_runtime.config.load import MAX_PROMPT_BYTES, ConfigError, explain, load

CONFIG_FILE = "agent.toml"

__all__ = [
    "CONFIG_FILE",
    "MAX_PROMPT_BYTES",
    "PROMPT_FILE",
    "AgentConfig",
    "AgentFile",
    "AgentSection",
    "BudgetConfig",
    "CacheConfig",
    "CardConfig",
    "ChatPageConfig",
    "ConfigError",
    "ConfigModel",
    "EnvironmentName",
    "HeaderName",
    "HttpUrl",
    "LimitsConfig",
    "LogLevel",
    "McpServerConfig",
    "MemoryConfig",
    "ModelConfig",
    "Name",
    "ServerConfig",
    "SkillConfig",
    "explain",
    "load",
]
