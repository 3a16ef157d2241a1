"""docs/reference/api.md is generated from the models and complete."""

from pathlib import Path

from agent_operator.api.reasons import ChannelReason, Reason, SpecReason
from agent_operator.codegen import reference

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "api.md"


def test_committed_page_matches_the_models() -> None:
    """If it fails, run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == reference.page()


def test_every_reason_is_documented() -> None:
    for enum in (Reason, SpecReason, ChannelReason):
        assert [name for name, _ in reference.documented(enum)] == [reason.value for reason in enum]


def test_bounds_defaults_and_choices_are_shown() -> None:
    page = reference.page()

    assert (
        "| `replicas` | integer, 0 to 1000 | Number of desired pods. Has no effect while autoscaling is set. "
        "Default: 3. |" in page
    )
    assert "| **`host`** | string | Host name, in lower case, or a wildcard such as *.example.com. |" in page
    assert "| `podSecurity` | `restricted`, `baseline`, `privileged` |" in page
    assert "[Probe](" in page


def test_every_link_has_a_heading() -> None:
    page = reference.page()
    headings = {
        line.lstrip("# ").replace(".", "").replace("[]", "").lower() for line in page.splitlines() if line[:1] == "#"
    }
    links = {part.split(")")[0] for part in page.split("](#")[1:]}

    assert links
    assert links <= headings
