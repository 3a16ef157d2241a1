"""The fields of auth.jwt that belong to each preset."""

from typing import Any

import pytest
from pydantic import ValidationError

from agent_runtime.config import JwtConfig, explain, patterns

ISSUER = "https://sso.example.com"
TENANT = "7d1f2e3d-4c5b-6a00-0000-000000000000"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, "issuer: required without a preset"),
        ({"preset": "entra_id"}, "tenantId: required with preset entra_id"),
        ({"preset": "entra_id", "tenantId": TENANT, "issuer": ISSUER}, "issuer: has no meaning with preset entra_id"),
        ({"preset": "kubernetes", "tenantId": TENANT}, "tenantId: has no meaning with preset kubernetes"),
        ({"preset": "kubernetes", "jwksUrl": ISSUER}, "jwksUrl: has no meaning with preset kubernetes"),
        ({"issuer": ISSUER, "tenantId": TENANT}, "tenantId: has no meaning without preset entra_id"),
        ({"issuer": ISSUER, "algorithms": ["HS256"]}, "algorithms[0]: "),
        ({"issuer": ISSUER, "algorithms": ["none"]}, "algorithms[0]: "),
        ({"issuer": ISSUER, "algorithms": []}, "algorithms: "),
        ({"issuer": ISSUER, "audiences": []}, "audiences: "),
        ({"issuer": "sso.example.com"}, "issuer: "),
        (
            {"preset": "entra_id", "tenantId": "contoso.onmicrosoft.com"},
            f"tenantId: String should match pattern '{patterns.UUID}': write the UUID of the tenant",
        ),
        (
            {"issuer": ISSUER, "subjects": ["system:*:a"]},
            r"subjects[0]: String should match pattern '^[^*]*\*?$': write a value of the claim sub",
        ),
        ({"issuer": ISSUER, "leewaySeconds": 301}, "leewaySeconds: "),
    ],
)
def test_a_wrong_combination_names_the_field(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as raised:
        JwtConfig.model_validate({"audiences": ["a"]} | fields)

    assert explain(raised.value).startswith(fault)


def test_the_keys_of_entra_id_are_those_of_its_cloud() -> None:
    """The issuers of tokens of both versions are accepted."""
    config = JwtConfig.model_validate({"audiences": ["a"], "preset": "entra_id", "tenantId": TENANT})

    url = f"https://login.microsoftonline.us/{TENANT}/v2.0/.well-known/openid-configuration"
    assert config.keys_url("https://login.microsoftonline.us/") == url
    assert config.issuers() == (
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        f"https://sts.windows.net/{TENANT}/",
    )
