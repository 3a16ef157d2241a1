"""What is said of a Secret: the faults of its values, its last change, and its certificate."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from agentctl.diagnosis import certificates
from agentctl.diagnosis.secret_facts import facts_of
from tests.integration.agent_runtime.certificate import write_certificate


def secret(value: bytes, key: str = "KEY", **meta: Any) -> dict[str, Any]:
    return {"metadata": meta, "data": {key: base64.b64encode(value).decode()}}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"sk-0123456789", ""),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"sk-0123456789\n", "newline"),
        (b"sk-0123456789\r\n", "newline"),
        (b"one\ntwo\n", ""),
        (b" sk-0123456789", "spaces"),
        (b'"sk-0123456789"', "quotes"),
        (b"sk-01\x0023456789", "control"),
        (base64.b64encode(b"sk-0123456789"), "base64"),
        (base64.b64encode(bytes(range(120, 200))), ""),
        (b"\xff\xfe", ""),
    ],
)
def test_faults_of_values_are_named(value: bytes, fault: str) -> None:
    assert facts_of(secret(value)).faults == {"KEY": fault}


def test_files_have_no_faults() -> None:
    assert facts_of(secret(b"{}\n", ".dockerconfigjson")).faults == {".dockerconfigjson": ""}


def test_the_last_change_of_the_data_counts() -> None:
    fields = [
        {"time": "2026-11-27T10:00:00Z", "fieldsV1": {"f:data": {}}},
        {"time": "2026-11-27T11:00:00Z", "fieldsV1": {"f:metadata": {}}},
    ]
    found = facts_of(secret(b"x", creationTimestamp="2026-11-01T00:00:00Z", managedFields=fields))
    assert found.changed == datetime(2026, 11, 27, 10, tzinfo=UTC)


@pytest.mark.parametrize("data", [None, [], {"a": 1}, {"a": "?"}, {1: "eA=="}])
def test_data_of_any_shape_is_read(data: Any) -> None:
    assert set(facts_of({"metadata": None, "data": data}).faults) <= {"a"}


def test_a_certificate_is_read(tmp_path: Path) -> None:
    pem = write_certificate(tmp_path / "server.pem").read_bytes()
    found = facts_of(secret(pem, "tls.crt")).certificate
    assert found is not None
    assert found.expires == x509.load_pem_x509_certificate(pem).not_valid_after_utc
    assert found.names == ()


@given(st.binary(max_size=200), st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_bytes_of_any_kind_are_no_certificate(random: bytes, position: int, change: bytes) -> None:
    """Neither random bytes nor a changed certificate raise an error."""
    for der in (random, _DER[:position] + change + _DER[position + len(change) :]):
        pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----"
        certificates.parse(pem)


def test_a_certificate_with_a_time_of_another_type_is_none() -> None:
    """The type of the time follows from its tag."""
    position = _DER.index(b"\x18\x0f2135")
    for tag in (b"\x00", b"\x04"):
        der = _DER[:position] + tag + _DER[position + 1 :]
        pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----"
        assert certificates.parse(pem) is None


def _named_certificate() -> bytes:
    from datetime import timedelta  # noqa: PLC0415

    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime(2026, 1, 1, tzinfo=UTC)
    name = x509.Name([])
    names = x509.SubjectAlternativeName([x509.DNSName("a.example.com"), x509.DNSName("*.b.example.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=40_000))
    return (
        builder.add_extension(names, critical=False).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    )


_DER = _named_certificate()


def test_names_and_a_late_end_are_read() -> None:
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(_DER).decode()}-----END CERTIFICATE-----\n"
    found = certificates.parse(f"# chain\n{pem}{pem}")
    assert found is not None
    assert found.names == ("a.example.com", "*.b.example.com")
    assert found.expires.year == 2135
