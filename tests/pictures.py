"""Write the pictures of the README: `make pictures`, or `python -m tests.pictures docs/pictures`.

An agent runs on a local cluster. Its model server has a fixed answer, so that the pictures show the same at each run.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text
from selenium.webdriver.common.keys import Keys

from tests.integration.agent_runtime.chat_page.browser import Page, open_browser
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually
from tests.stream_cases import chunk, events

BIN = Path(sys.executable).parent
COLUMNS = 100
QUESTION = "Can I send back a lamp that I bought last week?"
ANSWER = """\
Yes, you have **14 days**:

1. Open **My orders** and choose the lamp.
2. Select **Return** and print the label.
3. Take the parcel to a post office.

You get your money back within five days."""
AGENT = """\
apiVersion: agent-operator.dev/v1alpha1
kind: AgentDeployment
metadata: {{name: shop}}
spec:
  replicas: 2
  systemPrompt: {{text: You answer the customers of a shop.}}
  service: {{sessionAffinity: None}}
  config:
    models:
    - {{name: gpt, provider: openai, model: gpt-4.1, baseUrl: "{url}/v1", apiKeyFrom: {{none: true}}}}
    card:
      name: Shop assistant
      description: Answers questions about orders, deliveries and returns.
    chatPage: {{enabled: true}}
"""
# The SVG of rich without its fonts, which it would fetch from a server that the pages of GitHub do not allow.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
<g transform="translate({terminal_x}, 24)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Run a local cluster, and return the environment for its commands."""
    with TemporaryDirectory() as folder:
        variables = {"AGENTCTL_DIR": folder, "KUBECONFIG": f"{folder}/kubeconfig", "COLUMNS": str(COLUMNS)}
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | variables
        run(environment, "agentctl", "local", "up")
        try:
            yield environment
        finally:
            run(environment, "agentctl", "local", "down")


def run(environment: dict[str, str], program: str, *arguments: str, stdin: str | None = None) -> str:
    """Run a program of the virtual environment, which must succeed, and return its output."""
    command: list[str | Path] = [BIN / program, *arguments]
    return subprocess.run(command, env=environment, input=stdin, text=True, check=True, stdout=subprocess.PIPE).stdout


def terminal(command: str, output: str) -> str:
    """Return an SVG of a terminal with a command and its output."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(output), no_wrap=True, overflow="ellipsis", end="")
    return console.export_svg(code_format=SVG, unique_id="status")


def chat_page(url: str) -> bytes:
    """Return a picture of the chat page after one question, as PNG."""
    with open_browser() as browser:
        page = Page(browser, url)
        browser.set_window_size(760, 720)
        eventually("the page shows the name of the agent", lambda: browser.title != "Agent")
        page.type(QUESTION, Keys.ENTER)
        eventually("the answer is complete", lambda: page.answered() and "five days" in page.answered()[-1])
        browser.execute_script("document.activeElement.blur()")
        return bytes(browser.get_screenshot_as_png())


def main(folder: Path) -> None:
    """Write both pictures."""
    model = ModelServer()
    words = [chunk({"content": f"{word} "}) for word in ANSWER.split(" ")]
    model.script(completions=[{"always": True, "raw": events(*words, chunk({}, "stop"))}])
    try:
        with cluster() as environment:
            run(environment, "kubectl", "apply", "-f", "-", stdin=AGENT.format(url=model.url))
            for condition in ("Ready", "ComponentsHealthy"):
                run(environment, "kubectl", "wait", "agd/shop", f"--for=condition={condition}", "--timeout=2m")
            status = run(environment | {"FORCE_COLOR": "1"}, "agentctl", "status", "shop")
            (folder / "status.svg").write_text(terminal("agentctl status shop", status), encoding="utf-8")
            address = run(environment, "kubectl", "get", "service", "shop", "--output=jsonpath={.spec.clusterIP}")
            (folder / "chat.png").write_bytes(chat_page(f"http://{address}/"))
    finally:
        model.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
