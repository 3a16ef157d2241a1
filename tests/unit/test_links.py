"""Every relative link of a Markdown file leads to a file that exists, and to a heading that exists."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The user's guide, which is kept as it was written.
FOREIGN = {"tests/golden/seed.md"}
FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|\bsrc=\"([^\"]+)\"")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]: +(\S+)", re.MULTILINE)
# Inside of code, brackets start no link.
_CODE = str.maketrans("[]()#", "     ")


def pages() -> list[str]:
    """Return the Markdown files of the repository, without those that tools write or install."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "build", "dist"))]
    found = [*ROOT.glob("*.md"), *(file for folder in folders for file in folder.rglob("*.md"))]
    names = {file.relative_to(ROOT) for file in found}
    hidden = {name for name in names if any(part.startswith(".") or part == "node_modules" for part in name.parts)}
    return sorted({str(name) for name in names - hidden} - FOREIGN)


@functools.cache
def prose(path: Path) -> str:
    """Return the text of a page without its code."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", lambda code: code[0].strip("`").translate(_CODE), text)


@functools.cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of the headings of a page, as GitHub computes them."""
    seen: dict[str, int] = {}
    found = set()
    for heading in HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        number = seen[anchor] = seen.get(anchor, -1) + 1
        found.add(f"{anchor}-{number}" if number else anchor)
    return frozenset(found)


def links(path: Path) -> list[str]:
    """Return the targets of the links and pictures of a page."""
    text = prose(path)
    return [link or source for link, source in LINK.findall(text)] + REFERENCE.findall(text)


def broken(path: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere."""
    for link in links(path):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or not target.is_relative_to(ROOT):
            yield f"{link}: no such file"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{link}: no such heading"


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page: str) -> None:
    assert list(broken(ROOT / page)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](b.md)", ["b.md: no such file"]),
        ("[a\nb](page.md#two-words) [c](#one)", ["#one: no such heading"]),
        ("[a](../../etc/passwd)", ["../../etc/passwd: no such file"]),
        ("[`x[0]`](c.md) `[a](b.md)`\n```\n[a](b.md)\n```\n", ["c.md: no such file"]),
        ("[![picture](p.svg)](https://example.com)", ["p.svg: no such file"]),
        ('<img src="p.png" width="400">', ["p.png: no such file"]),
        ("[a]: d.md", ["d.md: no such file"]),
        ("[a](page.md#two-words-1) [a](mailto:a@example.com)", ["page.md#two-words-1: no such heading"]),
    ],
)
def test_a_link_that_leads_nowhere_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]
) -> None:
    monkeypatch.setattr("tests.unit.test_links.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"# Two `words`\n\n{text}\n", encoding="utf-8")

    assert list(broken(page)) == expected


def test_every_page_of_the_docs_is_reachable_from_their_index() -> None:
    index = ROOT / "docs" / "README.md"
    reached, todo = {index}, [index]
    while todo:
        page = todo.pop()
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        new = {target for target in targets if target.suffix == ".md" and target.is_file()} - reached
        reached |= new
        todo += new

    assert sorted(page for page in pages() if page.startswith("docs/") and ROOT / page not in reached) == []
