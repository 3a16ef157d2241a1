"""Evaluates the prompt and the checks of an agent in the worker process. Most agents need no evaluation."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import checks
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.inputs.checks_text import ChecksError
from agent_operator.inputs.prompt import PromptError, is_template
from agent_operator.kube.objects import Object
from agent_operator.sandbox.limits import CPU_SECONDS, MEMORY_BYTES
from agent_operator.sandbox.sandbox import Sandbox, SandboxError
from agent_runtime.config.checks import ChecksConfig, has_patterns

_LIMITS = f"more than {CPU_SECONDS} s of CPU time or {MEMORY_BYTES // 2**20} MiB of memory"
_LATER = "is not evaluated yet, because this namespace has used its share of CPU time: the operator tries again"
_CHECKS = "spec.rollout.canary.checks"


class Evaluator:
    """Replaces what only the worker process may evaluate by its results."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def compile_patterns(self, namespace: str, agent: Object) -> Mapping[str, Any] | None:
        """Return the context in which the spec is validated: the faults of the patterns in its checks.

        Raises:
            ProblemError: they take too much time.
        """
        document = _checks_of(agent["spec"])
        if not has_patterns(document):
            return None
        try:
            result = await self._sandbox.evaluate(namespace, "checks", {"document": document})
        except SandboxError as error:
            raise ProblemError(_checks_problem(error)) from None
        faults: Mapping[str, Any] = result["faults"]
        return faults

    async def evaluate(self, inputs: Inputs) -> Inputs:
        """Return the inputs with the rendered prompt and the parsed checks, or why there are none."""
        template = inputs.template
        if template is not None and is_template(template):
            inputs = replace(inputs, evaluated_prompt=await self._prompt(inputs, template))
        if inputs.checks_text is not None and checks.reference(inputs) is not None:
            inputs = replace(inputs, evaluated_checks=await self._checks(inputs.own_namespace, inputs.checks_text))
        return inputs

    async def _prompt(self, inputs: Inputs, template: str) -> str | PromptError:
        source = inputs.spec.system_prompt
        payload = {"template": template, "variables": (source and source.variables) or {}}
        try:
            result = await self._sandbox.evaluate(inputs.own_namespace, "prompts", payload)
        except SandboxError as error:
            if error.too_expensive:
                return PromptError(f"takes {_LIMITS}: simplify or shorten it", too_expensive=True)
            return PromptError(_LATER, retry=True)
        if "error" in result:
            return PromptError(result["error"], too_large=result["too_large"])
        text: str = result["text"]
        return text

    async def _checks(self, namespace: str, text: str) -> ChecksConfig | ChecksError:
        try:
            result = await self._sandbox.evaluate(namespace, "checks", {"text": text})
        except SandboxError as error:
            problem = _checks_problem(error)
            return ChecksError(problem.message, too_expensive=error.too_expensive, retry=problem.retry)
        if "error" in result:
            return ChecksError(result["error"])
        try:
            return checks.validate(result["document"], result["faults"])
        except ChecksError as error:
            return error


def _checks_of(spec: Any) -> Any:
    """Return the checks in a spec that is not validated yet; None if there are none."""
    value = spec
    for field in ("rollout", "canary", "checks"):
        value = value.get(field) if isinstance(value, dict) else None
    return value


def _checks_problem(error: SandboxError) -> Problem:
    if error.too_expensive:
        message = f"the patterns take {_LIMITS}: simplify or remove some"
        return Problem(SpecReason.CHECKS_TOO_EXPENSIVE, _CHECKS, message)
    return Problem(SpecReason.CHECKS_INVALID, _CHECKS, _LATER, retry=True)
