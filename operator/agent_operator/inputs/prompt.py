"""The system prompt: a template with variables, conditions and a few filters.

Anyone who may write an AgentDeployment has the template rendered by the operator. So a template can neither loop nor
build a value larger than its variables. jinja2 parses and renders it; in between, an allow list checks the syntax tree.
The operator renders templates in a worker process with a deadline (sandbox/); agentctl renders them in its own process.
"""

import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from itertools import islice

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, nodes
from jinja2.compiler import operators
from jinja2.sandbox import ImmutableSandboxedEnvironment

# As in agent_runtime.config, which a worker process with this module does not import: it takes 0.2 s and 10 MiB.
MAX_PROMPT_BYTES = 900_000
# With these limits the most expensive template takes about 2 s: a filter on a long value takes 1 ms.
MAX_TOKENS = 4_000
MAX_FILTERED_CHARS = 4_096
FILTERS = ("capitalize", "d", "default", "lower", "title", "trim", "upper")
TESTS = ("defined", "undefined")
_COMPARISONS = ("eq", "ne")
_ALLOWED_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If),
    *(nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
)
# Names in the syntax tree that differ from the names in a template.
_SYNTAX = {"assign": "set", "assignblock": "set", "callblock": "call", "fromimport": "from", "filterblock": "filter"}
_SYNTAX |= {
    "condexpr": "an inline if",
    "concat": "~",
    "getitem": "[]",
    "call": "a function call",
    "scope": "autoescape",
}
_HELP = (
    "a prompt supports {{ variable }}, {% if %} with elif, else, and, or, not, ==, != and is defined, and the filters "
    f"{', '.join(FILTERS)}; write other text literally, between {{% raw %}} and {{% endraw %}} if it has braces"
)
_FILE = "<prompt>"


class PromptError(Exception):
    """The template cannot be rendered. The message has the line and the remedy.

    Attributes:
        too_large: the rendered prompt has no room in a ConfigMap.
        too_expensive: rendering takes too much CPU time or memory.
        retry: the operator may be able to render it later.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        too_large: bool = False,
        too_expensive: bool = False,
        retry: bool = False,
    ) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.too_large = too_large
        self.too_expensive = too_expensive
        self.retry = retry


def render(template: str, variables: Mapping[str, str]) -> str:
    """Render a prompt; its lines end in line feeds.

    Raises:
        PromptError: the template is not valid, uses an unknown variable, or renders to more than MAX_PROMPT_BYTES.
    """
    if not is_template(template):
        return _bounded([template.replace("\r\n", "\n").replace("\r", "\n")])
    try:
        return _bounded(_compile(template).generate(variables))
    except PromptError:
        raise
    except TemplateSyntaxError as error:
        raise PromptError(f"{_sentence(error)}: {_HELP}", line=error.lineno) from None
    except UndefinedError as error:
        remedy = "add it to spec.systemPrompt.variables or correct the name"
        raise PromptError(f"{_sentence(error)}: {remedy}", line=_line(error)) from None
    except RecursionError:
        raise PromptError("expressions are nested too deeply: simplify the template") from None
    except Exception as error:  # noqa: BLE001  (such as a number of 5,000 digits: the template's fault, whatever it raises)
        raise PromptError(f"{_sentence(error)}: {_HELP}", line=_line(error)) from None


def is_template(text: str) -> bool:
    """Return whether a prompt is more than plain text."""
    return any(mark in text for mark in ("{{", "{%", "{#"))


def _bounded(pieces: Iterable[str]) -> str:
    rendered, size = [], 0
    for piece in pieces:
        size += len(piece.encode())
        if size > MAX_PROMPT_BYTES:
            raise PromptError(
                f"the rendered prompt is longer than {MAX_PROMPT_BYTES} bytes, the limit of a ConfigMap: shorten it",
                too_large=True,
            )
        rendered.append(piece)
    return "".join(rendered)


def _compile(template: str) -> Template:
    environment = _environment()
    code = (kind for _, kind, _ in environment.lex(template) if kind != "data")
    if sum(1 for _ in islice(code, MAX_TOKENS + 1)) > MAX_TOKENS:
        raise PromptError(f"the template has more than {MAX_TOKENS} tokens outside of its text: simplify it")
    tree = environment.parse(template)
    for node in tree.find_all(nodes.Node):
        if (unsupported := _unsupported(node)) is not None:
            raise PromptError(f"{unsupported} is not supported: {_HELP}", line=node.lineno)
    return Template.from_code(environment, environment.compile(tree, filename=_FILE), {})


def _unsupported(node: nodes.Node) -> str | None:
    """Return what a prompt may not use; None if it may."""
    match node:
        case nodes.Filter() if node.name not in FILTERS:
            return f"the filter {node.name}"
        case nodes.Test() if node.name not in TESTS:
            return f"the test {node.name}"
        case nodes.Compare() if unsupported := [part.op for part in node.ops if part.op not in _COMPARISONS]:
            return f"the comparison {operators[unsupported[0]]}"
        case nodes.Getattr():
            return f".{node.attr}"
    if isinstance(node, _ALLOWED_NODES):
        return None
    kind = type(node).__name__.lower()
    return getattr(node, "operator", None) or _SYNTAX.get(kind, kind)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
    environment.globals.clear()
    environment.filters = {name: _limited(environment.filters[name]) for name in FILTERS}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment


def _limited(function: Callable[..., str]) -> Callable[..., str]:
    @wraps(function)
    def limited(value: object, *arguments: object) -> str:
        if isinstance(value, str) and len(value) > MAX_FILTERED_CHARS:
            name = function.__name__.removeprefix("do_")
            raise ValueError(f"the filter {name} takes at most {MAX_FILTERED_CHARS} characters")
        return function(value, *arguments)

    return limited


def _sentence(error: Exception) -> str:
    return (getattr(error, "message", None) or str(error) or type(error).__name__).rstrip(".")


def _line(error: Exception) -> int | None:
    """Return the line of the template that raised the error. jinja2 makes tracebacks show template lines."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _FILE]
    return lines[-1] if lines else None
