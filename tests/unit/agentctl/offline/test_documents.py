"""Reading the input: what is found, where it stands, and what is said when it cannot be read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.errors import CommandError
from agentctl.offline import documents

File = Callable[..., Path]


def test_every_document_has_its_number_and_every_field_its_line(file: File) -> None:
    path = file("kind: A\n---\n# empty\n---\nkind: B\nspec:\n  list:\n  - name: x\n    port: 1\n")

    found = documents.read([str(path)])

    assert [(document.kind, document.number) for document in found] == [("A", 1), ("B", 3)]
    assert found[1].line("spec.list[0].port") == 9
    assert found[1].line("spec.list[0].absent.deeper") == 8
    assert found[1].line("") == 5


def test_the_items_of_a_list_are_documents(file: File) -> None:
    path = file("kind: List\nitems:\n- kind: A\n- kind: B\n  spec: {x: 1}\n  spec: {x: 2}\n")

    first, second = documents.read([str(path)])

    assert (first.kind, second.kind) == ("A", "B")
    assert second.line("spec.x") == 5
    assert second.duplicates == ("spec",)


def test_a_directory_gives_its_files_in_order_without_hidden_ones(file: File, tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", ".hidden.yaml", "notes.txt"):
        file(f'{{"kind": "{name[0]}"}}', name=name)

    assert [document.kind for document in documents.read([str(tmp_path)])] == ["a", "b", "c"]


def test_a_date_stays_text(file: File) -> None:
    """As in Kubernetes: an apiVersion of Azure looks like a date."""
    path = file("kind: A\nspec: {apiVersion: 2024-10-01}\n")

    assert documents.read([str(path)])[0].body["spec"]["apiVersion"] == "2024-10-01"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no object in it: write an AgentDeployment there"),
        ("# only a comment\n", "no object in it"),
        ("kind: [\n", ":2: not YAML"),
        ("a: b: c\n", ":1: not YAML: mapping values are not allowed in this context"),
        ("kind: !!python/object:os.system {}\n", ":1: not YAML: could not determine a constructor"),
        ("just text\n", ":1: document 1 is a single value, not an object: it needs apiVersion and kind"),
        ("- kind: A\n", ":1: document 1 is a list, not an object"),
        ("? [a, b]\n: c\n", "not YAML"),
        ("a: &a [*a]\n", "by size or aliases"),
    ],
)
def test_what_is_no_object_is_told_with_its_line(file: File, content: str, said: str) -> None:
    path = file(content)

    with pytest.raises(CommandError) as refused:
        documents.read([str(path)])
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_aliases_that_blow_up_are_refused(file: File) -> None:
    levels = ["l0: &l0 [x]"] + [f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = file("\n".join(levels))

    with pytest.raises(CommandError, match="by size or aliases"):
        documents.read([str(path)])


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_bytes(b"\xff\xfe\x00\x00\x01\xd8")

    with pytest.raises(CommandError, match="not YAML"):
        documents.read([str(path)])


def test_a_missing_file_and_an_empty_directory_are_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"none\.yaml: No such file or directory: check the path given with -f"):
        documents.read([str(tmp_path / "none.yaml")])
    with pytest.raises(CommandError, match=r"a directory without \.yaml, \.yml, \.json files"):
        documents.read([str(tmp_path)])
