"""Answers in Markdown on the chat page, also of a hostile model."""

from importlib.resources import files
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests import npm
from tests.integration.agent_runtime.chat_page.browser import Page
from tests.integration.agent_runtime.chat_page.conftest import SCRIPT
from tests.integration.agent_runtime.processes import ModelServer
from tests.stream_cases import chunk, events

MARKDOWN = """# Title
Some *text* with **bold**, ~~old~~ and `code`.

## Part
- one
  - inner
- [x] done

3. three
4. four

> quoted

| Name | Size |
|:--|--:|
| a<br>b | 1 |

```python
if a < b:
```

[A page](https://example.com/a?b=c) and ![a picture](https://example.com/picture.png).

---
"""
RENDERED = {
    "h3": ["Title"],
    "h4": ["Part"],
    "em": ["text"],
    "strong": ["bold"],
    "del": ["old"],
    "p code": ["code"],
    "pre code": ["if a < b:"],
    "ul > li": ["oneinner", "inner", "☑ done"],
    "ol > li": ["three", "four"],
    "blockquote": ["quoted"],
    "[role=region] > table th": ["Name", "Size"],
    "td": ["ab", "1"],
    "td > br": [""],
    "td.right": ["1"],
    "a": ["A page", "a picture"],
    "hr": [""],
}
HOSTILE = (
    SCRIPT,
    f"- item\n\n{SCRIPT}\n\n| a |\n|---|\n| {SCRIPT} |",
    "[a](javascript:document.title='injected') [b](JaVaScRiPt:alert(1)) [c](data:text/html,<script>alert(1)</script>)",
    "[a](<java\tscript:alert(1)>) [b](vbscript:x) [c](/api/sessions/1) [d](//example.com/x) <javascript:alert(1)>",
    "![x](https://example.com/track.png) ![y](api/sessions/secret) ![z](javascript:alert(1))",
    '[a](https://example.com/"onmouseover="alert(1)) [b](https://e.com "title" onclick=alert(1)")',
    "<iframe src=https://example.com></iframe><svg onload=alert(1)><style>*{display:none}</style><form action=x>",
    "<div hidden>\n\n**text**\n\n</div><base href=https://example.com><meta http-equiv=refresh content=0>",
    "```\"><script>document.title='injected'</script>\n</code></pre><script>document.title='injected'</script>\n```",
    "[x]: javascript:alert(1)\n[a][x] [x]\n<!-- --><script>document.title = 'injected'</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#x3c;img src=x onerror=alert(1)&#x3e;",
    ">" * 5_000,
    "\n".join(" " * 2 * depth + "- a" for depth in range(200)),
    "a." * 50_000 + "@",
    "*_[![`<" * 700,
    "|a" * 2_000 + "|\n" + "|-" * 2_000 + "|",
)
# Answers that take the parser seconds, or a minute, if it gets them.
EXPENSIVE = (
    "|" + "a|" * 2_000 + "\n|" + "-|" * 2_000 + "\n" + "|a\n" * 13_000,
    ("a*_~" * 1_225 + "\n") * 9,
    ("a*_~" * 250 + "\n\n") * 45,
    ("> " * 2_450 + "\n") * 9,
    "~~~\ncode\n~~~\n" + ("a*_~" * 1_225 + "\n") * 9,
)
# Ordinary answers, and the selector of what each must contain at this number.
ORDINARY = (
    ("| a " * 10 + "|\n" + "|---" * 10 + "|\n" + ("| some text " * 10 + "|\n") * 50, "td", 500),
    ("Text\n\n```py\n" + "x = a*b_c[1] < 2 | 3\n" * 2_000 + "```\n**end**", "pre + p > strong", 1),
    ("~~~~\n~~~\n```\n~~~~~\n- a\n\n  ```\n  b\n  ```\n", "pre", 2),
    ("```\nunfinished *a*", "pre", 1),
    ("```inline``` code", "p > code", 1),
    (("A **bold** word and `code` in a usual sentence. " * 6 + "\n\n") * 40, "strong", 240),
    ("- a *b*\n" * 200, "ul > li > em", 200),
)
# Returns the milliseconds that an answer takes, and the number of its elements.
FORMAT = """
const [text, selector, done] = arguments;
import(new URL("markdown.js", document.baseURI)).then(({ formatted, element }) => {
  const started = performance.now();
  const body = element("div", formatted(text));
  done([performance.now() - started, body.querySelectorAll(selector).length]);
}).catch((error) => done([0, String(error)]));
"""
# Returns what an answer must not contain.
ACTIVE = """
const inline = ["a", "br", "code", "del", "em", "span", "strong"];
const blocks = ["blockquote", "div", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"];
const elements = [...inline, ...blocks, "table", "tbody", "td", "th", "thead", "tr"];
const attributes = ["aria-label", "class", "href", "rel", "role", "start", "tabindex", "target", "title"];
return [...document.querySelectorAll("#conversation *")].flatMap((one) => [
  ...(elements.includes(one.localName) ? [] : [one.localName]),
  ...[...one.attributes].filter((it) => !attributes.includes(it.name)).map((it) => it.name),
  ...(one.localName === "a" && !/^(https?|mailto):/.test(one.href) ? [one.href] : []),
]);
"""


def answer_with(model_server: ModelServer, text: str) -> None:
    """Let the model answer with this text."""
    model_server.script(completions=[{"raw": events(chunk({"content": text}), chunk({}, "stop"))}])


def test_markdown_is_rendered(page: Page, model_server: ModelServer) -> None:
    answer_with(model_server, MARKDOWN)

    page.type("hi", Keys.ENTER)
    page.answered()

    shown = {selector: page.texts(f".assistant {selector}") for selector in RENDERED}
    assert shown == RENDERED
    links = "return [...document.querySelectorAll('.assistant a')].map((one) => [one.href, one.rel, one.target])"
    rel = "noopener noreferrer nofollow"
    assert page.browser.execute_script(links) == [
        ["https://example.com/a?b=c", rel, "_blank"],
        ["https://example.com/picture.png", rel, "_blank"],
    ]
    assert page.browser.execute_script("return document.querySelector('.assistant ol').start") == 3
    assert not page.faults()


def test_hostile_answers_become_no_active_markup(page: Page, model_server: ModelServer) -> None:
    """No element but those of Markdown, no attribute but those of the page, no address but https, http and mailto."""
    page.browser.execute_script("window.requests = performance.getEntriesByType('resource').length")
    for hostile in HOSTILE:
        answer_with(model_server, hostile)
        page.type("hi", Keys.ENTER)
        page.answered()
        found = page.browser.execute_script(ACTIVE)
        assert found == [], hostile[:80]
    assert page.browser.title == "Clock"
    assert len(page.texts(".assistant")) == len(HOSTILE)
    assert all(page.texts(".assistant > div"))
    # The page has requested nothing but its answers.
    loaded = page.browser.execute_script("return performance.getEntriesByType('resource').slice(requests)")
    assert {entry["name"].rpartition("/")[2] for entry in loaded} <= {"chat"}
    assert not page.faults()


def test_no_answer_blocks_the_page(page: Page) -> None:
    """The limit is far above what a busy machine needs, and far below what the parser would take."""
    for text in EXPENSIVE:
        milliseconds, paragraphs = page.browser.execute_async_script(FORMAT, text, "p")
        assert (milliseconds < 1_500, paragraphs) == (True, 1), text[:80]


@pytest.mark.parametrize(("text", "selector", "number"), ORDINARY)
def test_an_ordinary_answer_is_rendered(page: Page, text: str, selector: str, number: int) -> None:
    _, found = page.browser.execute_async_script(FORMAT, text, selector)

    assert found == number


def test_the_parser_is_the_package_from_npm(pytestconfig: pytest.Config) -> None:
    """A page that loads it has the license, and Dependabot reports a new version."""
    manifest = Path(__file__).parents[1] / "clients" / "javascript" / "package.json"
    package = npm.install(manifest, pytestconfig.cache.mkdir("openai-javascript")) / "node_modules" / "marked"
    vendored = files("agent_runtime.http.page")

    code, _, _ = (package / "lib" / "marked.esm.js").read_text(encoding="utf-8").partition("//# sourceMappingURL")
    assert vendored.joinpath("marked.js").read_text(encoding="utf-8").strip() == code.strip()
    assert vendored.joinpath("marked.LICENSE").read_bytes() == (package / "LICENSE").read_bytes()
