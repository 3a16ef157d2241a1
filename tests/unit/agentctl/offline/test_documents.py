"""Reading the input: objects, the lines of their fields, and errors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.errors import CommandError
from agentctl.offline import documents

WriteFile = Callable[..., Path]


def test_documents_have_numbers_and_fields_have_lines(write_file: WriteFile) -> None:
    path = write_file("kind: A\n---\n# empty\n---\nkind: B\nspec:\n  list:\n  - name: x\n    port: 1\n")

    found = documents.read([str(path)])

    assert [(document.kind, document.number) for document in found] == [("A", 1), ("B", 3)]
    assert found[1].line("spec.list[0].port") == 9
    assert found[1].line("spec.list[0].absent.deeper") == 8
    assert found[1].line("") == 5


def test_each_item_of_a_list_is_a_document(write_file: WriteFile) -> None:
    path = write_file("kind: List\nitems:\n- kind: A\n- kind: B\n  spec: {x: 1}\n  spec: {x: 2}\n")

    first, second = documents.read([str(path)])

    assert (first.kind, second.kind) == ("A", "B")
    assert second.line("spec.x") == 5
    assert second.duplicates == ("spec",)


def test_a_directory_is_read_in_order_without_hidden_files(write_file: WriteFile, tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", ".hidden.yaml", "notes.txt"):
        write_file(f'{{"kind": "{name[0]}"}}', name=name)

    assert [document.kind for document in documents.read([str(tmp_path)])] == ["a", "b", "c"]


def test_a_date_is_a_string(write_file: WriteFile) -> None:
    """Kubernetes reads a date as a string. The API versions of Azure look like dates."""
    path = write_file("kind: A\nspec: {apiVersion: 2024-10-01}\n")

    assert documents.read([str(path)])[0].body["spec"]["apiVersion"] == "2024-10-01"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no objects found: add an AgentDeployment"),
        ("# only a comment\n", "no objects found"),
        ("kind: [\n", ":2: invalid YAML"),
        ("a: b: c\n", ":1: invalid YAML: mapping values are not allowed in this context"),
        ("kind: !!python/object:os.system {}\n", ":1: invalid YAML: could not determine a constructor"),
        ("just text\n", ":1: document 1 is a single value, not an object: it needs apiVersion and kind"),
        ("- kind: A\n", ":1: document 1 is a list, not an object"),
        ("? [a, b]\n: c\n", "invalid YAML"),
        ("a: &a [*a]\n", "with aliases expanded"),
    ],
)
def test_a_file_without_an_object_is_an_error_with_its_line(write_file: WriteFile, content: str, message: str) -> None:
    path = write_file(content)

    with pytest.raises(CommandError) as error:
        documents.read([str(path)])
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_aliases_that_expand_to_a_huge_object_are_an_error(write_file: WriteFile) -> None:
    levels = ["l0: &l0 [x]"] + [f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = write_file("\n".join(levels))

    with pytest.raises(CommandError, match="with aliases expanded"):
        documents.read([str(path)])


def test_binary_data_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_bytes(b"\xff\xfe\x00\x00\x01\xd8")

    with pytest.raises(CommandError, match="invalid YAML"):
        documents.read([str(path)])


def test_a_missing_file_and_an_empty_directory_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"none\.yaml: No such file or directory: check the path"):
        documents.read([str(tmp_path / "none.yaml")])
    with pytest.raises(CommandError, match=r"the directory contains no \.yaml, \.yml, \.json files"):
        documents.read([str(tmp_path)])
