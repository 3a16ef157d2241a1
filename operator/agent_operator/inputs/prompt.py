"""The system prompt: a jinja2 template over the CR's variables, held to what cannot harm the operator.

Whoever may write an AgentDeployment has this run inside the operator. The sandbox keeps a template from Python; it does
not keep `{{ "a" * 10 ** 10 }}` or three nested loops from memory and CPU. So a template may use only what cannot make a
value larger: variables, if, for, comparisons and a few filters. Its tokens, loops' steps and output are counted.
"""

import traceback
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent_runtime.config import MAX_PROMPT_BYTES

MAX_TOKENS = 20_000
MAX_STEPS = 10_000
MAX_WORK = 1_000_000  # steps x tokens x KiB: about a second at the worst
FILTERS = ("capitalize", "d", "default", "first", "last", "length", "lower", "title", "trim", "upper")
TESTS = ("defined", "undefined", "none", "eq", "ne", "equalto", "in")
LOOP_FIELDS = ("index", "index0", "first", "last", "length")
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.For),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg),
    *(nodes.List, nodes.Tuple, nodes.Filter, nodes.Test, nodes.Getattr),
)
_SPELLINGS = {"assign": "set", "assignblock": "set", "callblock": "call", "fromimport": "from", "concat": "~"}
_HELP = (
    "a prompt may use variables, if, for, comparisons and the filters "
    f"{', '.join(FILTERS)}; put text that only looks like a template between {{% raw %}} and {{% endraw %}}"
)
_FILE = "<prompt>"
_STEPS = "-steps"  # the name of a filter and of a variable that no template can write


class PromptError(Exception):
    """The template cannot be rendered. The message has the line, and what to do."""

    def __init__(self, message: str, *, line: int | None = None, too_large: bool = False) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.too_large = too_large


def render(template: str, variables: Mapping[str, str]) -> str:
    """Render a prompt; its lines end in line feeds.

    Raises:
        PromptError: the template is wrong, names a variable that there is not, or makes too much.
    """
    if not any(mark in template for mark in ("{{", "{%", "{#")):
        return _bounded([template.replace("\r\n", "\n").replace("\r", "\n")])
    if "loop" in variables:
        raise PromptError("a variable cannot be named loop, which is what a for block calls its state: rename it")
    try:
        steps = _steps(template, variables)
        return _bounded(_compile(template).generate({**variables, _STEPS: iter(range(steps))}))
    except PromptError:
        raise
    except TemplateSyntaxError as error:
        raise PromptError(f"{_sentence(error)}: {_HELP}", line=error.lineno) from None
    except UndefinedError as error:
        remedy = "add it to spec.systemPrompt.variables or correct the name"
        raise PromptError(f"{_sentence(error)}: {remedy}", line=_line(error)) from None
    except RecursionError:
        raise PromptError("expressions are nested too deeply: simplify the template") from None
    except Exception as error:  # noqa: BLE001  (a template is a program of the user's: what it raises is its own fault)
        raise PromptError(f"{_sentence(error)}: {_HELP}", line=_line(error)) from None


def _bounded(pieces: Iterable[str]) -> str:
    made, size = [], 0
    for piece in pieces:
        size += len(piece.encode())
        if size > MAX_PROMPT_BYTES:
            raise PromptError(
                f"the rendered prompt is longer than {MAX_PROMPT_BYTES} bytes, what a ConfigMap holds: shorten it",
                too_large=True,
            )
        made.append(piece)
    return "".join(made)


def _steps(template: str, variables: Mapping[str, str]) -> int:
    """Return how many steps the loops may take: the fewer, the more each of them may have to do."""
    code = (text for _, kind, text in _environment().lex(template) if kind != "data")
    sizes = [len(text) for text in islice(code, MAX_TOKENS + 1)]
    if len(sizes) > MAX_TOKENS:
        raise PromptError(f"the template has more than {MAX_TOKENS} tokens beside its text: simplify it")
    kibibytes = (sum(sizes) + sum(len(value) for value in variables.values())) / 1024
    return int(min(MAX_STEPS, MAX_WORK / len(sizes) / kibibytes))


def _compile(template: str) -> Template:
    environment = _environment()
    tree = environment.parse(template)
    for node in tree.find_all(nodes.Node):
        _check(node)
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, _STEPS, [], [], None, None, lineno=loop.lineno)
    code = environment.compile(tree, filename=_FILE)
    return Template.from_code(environment, code, {})


def _check(node: nodes.Node) -> None:
    """Refuse what could make a value larger than the spec that it comes from, or reach beyond the variables."""
    if isinstance(node, nodes.Helper | nodes.Operand) or type(node) in _NODES:
        of_loop = isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "loop"
        known = not isinstance(node, nodes.Getattr) or (of_loop and node.attr in LOOP_FIELDS)
        # Loops that name lists of lists would double a value with each line.
        constant = not isinstance(node, nodes.List) or all(isinstance(item, nodes.Const) for item in node.items)
        if known and constant:
            return
    kind = type(node).__name__.lower()
    what = getattr(node, "operator", None) or (f".{node.attr}" if isinstance(node, nodes.Getattr) else None)
    raise PromptError(f"{what or _SPELLINGS.get(kind, kind)} cannot be used here: {_HELP}", line=node.lineno)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS} | {_STEPS: _counted}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment


@pass_context
def _counted(context: Context, items: Iterable[object]) -> Iterator[object]:
    for item in items:
        if next(context[_STEPS], None) is None:
            raise PromptError("the loops of the template take too many steps: shorten them, or the variables")
        yield item


def _sentence(error: Exception) -> str:
    return (getattr(error, "message", None) or str(error) or type(error).__name__).rstrip(".")


def _line(error: Exception) -> int | None:
    """Return the template's line that raised: jinja rewrites tracebacks to its sources."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _FILE]
    return lines[-1] if lines else None
