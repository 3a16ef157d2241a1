"""The fields of auth.jwt that belong to each preset."""

from typing import Any

import pytest
from pydantic import ValidationError

from agent_runtime.config import JwtConfig, explain

ISSUER = "https://sso.example.com"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, "issuer: required without a preset"),
        ({"preset": "entra_id"}, "tenantId: required with preset entra_id"),
        ({"preset": "entra_id", "tenantId": "t", "issuer": ISSUER}, "issuer: has no meaning with preset entra_id"),
        ({"preset": "kubernetes", "tenantId": "t"}, "tenantId: has no meaning with preset kubernetes"),
        ({"preset": "kubernetes", "jwksUrl": ISSUER}, "jwksUrl: has no meaning with preset kubernetes"),
        ({"issuer": ISSUER, "tenantId": "t"}, "tenantId: has no meaning without preset entra_id"),
        ({"issuer": ISSUER, "algorithms": ["HS256"]}, "algorithms[0]: "),
        ({"issuer": ISSUER, "algorithms": ["none"]}, "algorithms[0]: "),
        ({"issuer": ISSUER, "algorithms": []}, "algorithms: "),
        ({"issuer": ISSUER, "audiences": []}, "audiences: "),
        ({"issuer": "sso.example.com"}, "issuer: "),
        ({"issuer": ISSUER, "leewaySeconds": 301}, "leewaySeconds: "),
    ],
)
def test_a_wrong_combination_names_the_field(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as raised:
        JwtConfig.model_validate({"audiences": ["a"]} | fields)

    assert explain(raised.value).startswith(fault)


def test_the_keys_of_entra_id_are_those_of_its_cloud() -> None:
    """The issuers of tokens of both versions are accepted."""
    config = JwtConfig.model_validate({"audiences": ["a"], "preset": "entra_id", "tenantId": "t"})

    url = "https://login.microsoftonline.us/t/v2.0/.well-known/openid-configuration"
    assert config.keys_url("https://login.microsoftonline.us/") == url
    assert config.issuers() == ("https://login.microsoftonline.com/t/v2.0", "https://sts.windows.net/t/")
