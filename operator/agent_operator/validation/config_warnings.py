"""Warnings about fields of the config that do not fit each other, or let in more callers than intended."""

from collections.abc import Iterator

from agent_operator.api.problems import Problem
from agent_operator.api.reasons import SpecReason
from agent_operator.inputs import endpoints
from agent_operator.inputs.agent_inputs import Inputs
from agent_runtime.config import LimitsConfig, ModelConfig

_ALL_ADDRESSES = ("0.0.0.0/0", "::/0")
_JWT = "spec.config.auth.jwt"


def model_fields_fit(inputs: Inputs) -> Iterator[Problem]:
    """Fields of a model that have no effect, or not the intended one."""
    limits = inputs.spec.config.limits or LimitsConfig()
    for index, model in enumerate(inputs.spec.config.models):
        for field, message in _unsuitable(model, limits.request_timeout_seconds):
            yield Problem(SpecReason.FIELD_UNSUITABLE, f"spec.config.models[{index}].{field}", message)


def _unsuitable(model: ModelConfig, request_seconds: int) -> Iterator[tuple[str, str]]:
    """Yield fields and what is wrong with them."""
    if model.tls and (found := endpoints.url_of(model)) and found[0].startswith("http:"):
        yield "tls", f"has no effect, because {found[1]} is an http:// URL: use https://, or remove tls"
    if times := model.timeouts:
        name, most = "limits.requestTimeoutSeconds", float(request_seconds)
        if times.total_seconds is not None and times.total_seconds < most:
            name, most = "totalSeconds", times.total_seconds
        if times.first_byte_seconds is not None and times.first_byte_seconds > most:
            message = f"has no effect, because {name} ends the request earlier, after {most:g} s: lower it"
            yield "timeouts.firstByteSeconds", message
    if model.api == "embeddings":
        yield from _unsuitable_for_embeddings(model)


def _unsuitable_for_embeddings(model: ModelConfig) -> Iterator[tuple[str, str]]:
    if model.streaming is not None:
        yield "streaming", "has no effect with api embeddings, which has no streams: remove it"
    if model.parameters and model.parameters.max_tokens is not None:
        message = "embeddings have no maximum of tokens, so the server may refuse the request: remove it"
        yield "parameters.maxTokens", message


def proxies_are_known(inputs: Inputs) -> Iterator[Problem]:
    """A client that is trusted as a proxy chooses its own address."""
    server = inputs.spec.config.server
    for index, network in enumerate((server.trusted_proxies if server else None) or ()):
        if network in _ALL_ADDRESSES:
            message = (
                "every client is trusted as a proxy, so it can choose the address by which rate limits count it: write "
                "the networks of the proxies only"
            )
            yield Problem(SpecReason.EVERY_PROXY_TRUSTED, f"spec.config.server.trustedProxies[{index}]", message)


def tokens_are_restricted(inputs: Inputs) -> Iterator[Problem]:
    """Every pod of a cluster can get a token of its ServiceAccount for any audience."""
    tokens = inputs.spec.config.auth.jwt if inputs.spec.config.auth else None
    if tokens and tokens.preset == "kubernetes" and not tokens.subjects and not tokens.required_claims:
        message = (
            "every ServiceAccount of the cluster may call the agent: list the callers, such as "
            "system:serviceaccount:NAMESPACE:NAME or system:serviceaccount:NAMESPACE:*"
        )
        yield Problem(SpecReason.SUBJECTS_UNRESTRICTED, f"{_JWT}.subjects", message)


def issuer_is_encrypted(inputs: Inputs) -> Iterator[Problem]:
    """Who can change the keys of an issuer on their way can issue tokens."""
    tokens = inputs.spec.config.auth.jwt if inputs.spec.config.auth else None
    url = tokens.keys_url() if tokens else None
    endpoint = endpoints.keys_endpoint(inputs.spec.config) if url and url.startswith("http:") else None
    if endpoint is None or endpoint.is_loopback or endpoint.service(inputs.namespace):
        return
    message = (
        "the keys of the issuer come from outside of the cluster without TLS, so others may replace them and issue "
        "tokens: use https://"
    )
    yield Problem(SpecReason.ISSUER_NOT_ENCRYPTED, endpoint.field, message)
