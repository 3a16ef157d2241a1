"""Validation of the proxy, the trace collector and the trusted certificate authorities."""

from collections.abc import Iterator

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import endpoints, proxy, tracing
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.validation import sources


def proxy_is_usable(inputs: Inputs) -> Iterator[Problem]:
    spec = inputs.spec.proxy
    if spec is None:
        return
    for field, url in (("httpsProxy", spec.https_proxy), ("httpProxy", spec.http_proxy)):
        if url is None:
            continue
        try:
            found = endpoints.parse(url, f"spec.proxy.{field}")
        except ValueError as error:
            yield Problem(SpecReason.ENDPOINT_INVALID, f"spec.proxy.{field}", str(error))
            continue
        yield from sources.not_metadata(found, "proxy")
    for index, variable in enumerate(inputs.spec.env or ()):
        if variable.name.upper() in (*endpoints.PROXY_VARIABLES, proxy.NO_PROXY):
            message = f"{variable.name} is set by spec.proxy: remove one of the two"
            yield Problem(SpecReason.ENV_INVALID, f"spec.env[{index}]", message)


def tracing_is_usable(inputs: Inputs) -> Iterator[Problem]:
    spec = tracing.of(inputs.spec)
    if spec is None:
        return
    field = f"{tracing.FIELD}.endpoint"
    try:
        found = endpoints.parse(spec.endpoint, field, f"use {tracing.FIELD}.headersFrom")
    except ValueError as error:
        yield Problem(SpecReason.ENDPOINT_INVALID, field, str(error))
    else:
        yield from sources.not_metadata(found, "collector")
    taken = {*tracing.variables(inputs.spec), *endpoints.TRACE_VARIABLES}
    for index, variable in enumerate(inputs.spec.env or ()):
        if variable.name in taken:
            message = f"{variable.name} is set by {tracing.FIELD}: remove one of the two"
            yield Problem(SpecReason.ENV_INVALID, f"spec.env[{index}]", message)


def authorities_have_one_source(inputs: Inputs) -> Iterator[Problem]:
    spec = inputs.spec.trusted_ca
    if spec and (spec.config_map_key_ref is None) is (spec.secret_key_ref is None):
        message = "exactly one source must be set: set configMapKeyRef or secretKeyRef"
        yield Problem(SpecReason.FIELD_CONFLICT, "spec.trustedCA", message)
