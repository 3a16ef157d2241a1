"""The values of options, which must not import much."""

from enum import StrEnum


class Format(StrEnum):
    """Values of `-o` for commands that print only objects."""

    YAML = "yaml"
    JSON = "json"


class View(StrEnum):
    """Values of `-o` for commands that also have text output."""

    TEXT = "text"
    YAML = "yaml"
    JSON = "json"


class LogFormat(StrEnum):
    """Values of `-o` for lines that are printed one by one."""

    TEXT = "text"
    JSON = "json"


class Crds(StrEnum):
    """Values of --crds."""

    WITHOUT = "without"
    WITH = "with"
    ONLY = "only"


class Component(StrEnum):
    """Values of --component: the components of deploy/kustomize."""

    CONFINED_OPERATOR = "confined-operator"
    MONITORING = "monitoring"
    OPENSHIFT = "openshift"
    REQUIRE_API_KEYS = "require-api-keys"
    WITHOUT_ADMISSION = "without-admission"


class Provider(StrEnum):
    """Values of --provider: the providers of models."""

    AZURE_OPENAI = "azure_openai"
    OPENAI = "openai"
    ECHO = "echo"


class Shell(StrEnum):
    """Shells with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
