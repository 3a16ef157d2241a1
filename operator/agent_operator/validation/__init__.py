"""Rules that the schema and CEL of the CRD cannot express, and rules that a cluster with an older CRD lacks.

`check` returns everything that is invalid, all at once. `warnings` returns what is valid but probably not intended.
"""

from collections.abc import Callable, Iterator, Mapping

from agent_operator.api.problems import Problem
from agent_operator.api.v1alpha1 import AgentDeploymentSpec
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.validation import (
    caller_warnings,
    config_warnings,
    environment_warnings,
    exposure,
    kubelet_warnings,
    naming,
    outbound,
    rollout,
    scaling,
    sources,
    spec_warnings,
    workload,
)
from agent_runtime.config import AgentConfig

Rule = Callable[[Inputs], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    naming.name_fits,
    naming.namespace_is_allowed,
    naming.metadata_is_valid,
    naming.common_metadata_is_free,
    sources.one_source_each,
    sources.api_keys_have_one_place,
    sources.prompt_renders,
    sources.endpoints_are_reachable,
    sources.credentials_are_usable,
    sources.identity_can_work,
    workload.numbers_agree,
    workload.env_is_valid,
    workload.sources_are_limited,
    workload.resources_are_known,
    workload.resources_are_consistent,
    workload.probes_are_valid,
    workload.ports_differ,
)
# For agents whose spec sets the field.
FIELD_RULES: Mapping[str, tuple[Rule, ...]] = {
    "autoscaling": (scaling.autoscaler_has_metrics, scaling.metrics_have_quantities),
    "ingress": (exposure.ingress_has_hosts, exposure.ingress_paths_are_plain),
    "monitoring": (outbound.tracing_is_usable,),
    "proxy": (outbound.proxy_is_usable,),
    "trusted_ca": (outbound.authorities_have_one_source,),
    "service": (exposure.ip_families_agree,),
    "rollout": (rollout.strategy_can_progress,),
}
# For agents whose rollouts have a canary.
CANARY_RULES: tuple[Rule, ...] = (rollout.checks_are_usable,)
WARNINGS: tuple[Rule, ...] = (
    spec_warnings.credentials_are_plain,
    spec_warnings.replicas_are_ignored,
    spec_warnings.scale_is_readable,
    spec_warnings.autoscaler_targets_agent,
    spec_warnings.identity_is_overridden,
    spec_warnings.account_must_be_annotated,
    spec_warnings.budget_is_lowered,
    spec_warnings.service_ports_may_differ,
    spec_warnings.private_hosts_are_blocked,
    spec_warnings.image_is_unqualified,
    spec_warnings.exposed_without_auth,
    spec_warnings.path_is_not_stripped,
    caller_warnings.body_limits_agree,
    caller_warnings.sessions_are_not_shared,
)
# For agents whose config has the field.
CONFIG_WARNINGS: Mapping[str, tuple[Rule, ...]] = {
    "auth": (config_warnings.tokens_are_restricted, config_warnings.issuer_is_encrypted),
    "memory": (environment_warnings.redis_has_identity,),
    "server": (config_warnings.proxies_are_known,),
}
# For agents that call models or tools outside of the pod.
ENVIRONMENT_WARNINGS: tuple[Rule, ...] = (
    environment_warnings.variables_are_set,
    environment_warnings.models_have_credentials,
    environment_warnings.default_key_reaches_models,
    config_warnings.model_fields_fit,
)
FIELD_WARNINGS: Mapping[str, tuple[Rule, ...]] = {
    "probes": (kubelet_warnings.agent_probe_ports_are_named,),
    "resources": (environment_warnings.resources_are_plausible,),
    "pod_template": (
        environment_warnings.template_is_plausible,
        kubelet_warnings.media_are_known,
        kubelet_warnings.probe_ports_are_named,
    ),
}


def check(inputs: Inputs) -> tuple[Problem, ...]:
    """Return every problem that makes the spec invalid, in the order of the rules."""
    rules = [*RULES, *_of_fields(FIELD_RULES, inputs.spec), *(CANARY_RULES if inputs.has_canary else ())]
    return tuple(problem for rule in rules for problem in rule(inputs))


def warnings(inputs: Inputs) -> tuple[Problem, ...]:
    """Return the warnings about a spec that passes `check`."""
    config = inputs.spec.config
    is_local = not config.mcp and all(model.provider == "echo" for model in config.models)
    rules = [
        *WARNINGS,
        *(() if is_local else ENVIRONMENT_WARNINGS),
        *_of_fields(CONFIG_WARNINGS, config),
        *_of_fields(FIELD_WARNINGS, inputs.spec),
    ]
    return tuple(problem for rule in rules for problem in rule(inputs))


def _of_fields(rules: Mapping[str, tuple[Rule, ...]], fields: AgentDeploymentSpec | AgentConfig) -> Iterator[Rule]:
    for field, found in rules.items():
        if getattr(fields, field) is not None:
            yield from found
