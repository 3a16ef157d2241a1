"""The chat page, in a real browser: Debian's chromium, driven through its WebDriver."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.keys import Keys

from tests.integration.agent_runtime.browser import CONTRAST, Page
from tests.integration.agent_runtime.conftest import (
    ECHO,
    AgentProcess,
    ModelServer,
    StartAgent,
    agent_toml,
    eventually,
    openai_model,
)

PAGE = """
[agent.chat_page]
enabled = true
[agent.card]
name = "Clock"
description = "Knows what time it is."
[[agent.card.skills]]
id = "time"
description = "Tells the time."
examples = ["What time is it?"]
"""
SCRIPT = "<script>document.title = 'broken into'</script><img src=x onerror=\"document.title = 'broken into'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """One browser for all tests; each test gets a fresh tab, and so a fresh session."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    assert not missing, "the chat page's tests need a browser: apt-get install chromium chromium-driver"
    options = ChromeOptions()
    options.binary_location = programs["chromium"] or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,800"):
        options.add_argument(argument)
    driver = Chrome(options, ChromeService(programs["chromedriver"]))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent with its page and a model behind the fake server."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO) + PAGE).ready()


@pytest.fixture
def open_page(browser: Chrome) -> Iterator[Callable[[AgentProcess], Page]]:
    """Opens the page of an agent in a tab of its own, closed after the test."""
    first = browser.current_window_handle

    def open_tab(agent: AgentProcess) -> Page:
        page = Page(browser, f"http://127.0.0.1:{agent.port}/")
        eventually("the page knows the agent", lambda: browser.title != "Agent")
        return page

    browser.get_log("browser")
    yield open_tab
    for handle in browser.window_handles:
        if handle != first:
            browser.switch_to.window(handle)
            browser.close()
    browser.switch_to.window(first)


@pytest.fixture
def page(open_page: Callable[[AgentProcess], Page], agent: AgentProcess, model_server: ModelServer) -> Page:
    """The page."""
    return open_page(agent)


def test_it_says_who_the_agent_is(page: Page) -> None:
    """Its name and description, and examples to begin with; the focus waits in the message field."""
    assert page.browser.title == "Clock"
    assert page.texts("h1, #about, #examples button") == ["Clock", "Knows what time it is.", "What time is it?"]
    assert page.browser.switch_to.active_element.get_attribute("id") == "message"
    assert not page.faults()


def test_a_conversation_by_keyboard(page: Page, model_server: ModelServer) -> None:
    """Enter sends, Shift+Enter begins a line; the second turn belongs to the first; what was said is read out."""
    page.type("one", Keys.SHIFT, Keys.ENTER, Keys.NULL, "two", Keys.ENTER)
    assert page.answered() == ["model: one\ntwo"]
    page.type("three", Keys.ENTER)
    assert page.answered() == ["model: one\ntwo", "model: three"]

    asked = model_server.seen("/chat/completions")[1]["body"]["messages"]
    assert [message["content"] for message in asked[1:]] == ["one\ntwo", "model: one\ntwo", "three"]
    assert page.texts("#announcement") == ["Agent: model: three"]
    assert page.browser.switch_to.active_element.get_attribute("id") == "message"
    assert not page.faults()


def test_an_answer_appears_while_it_comes(page: Page, model_server: ModelServer) -> None:
    """The model's server sends one word only after the page has shown the one before."""
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()  # the chunk that only names the role
    page.type("one two", Keys.ENTER)

    for expected in ("model:", "model: one", "model: one two"):
        model_server.go()
        eventually(f"the page shows {expected}", partial(page.shows, ".assistant p", expected))
    for _ in range(3):
        model_server.go()

    assert page.answered() == ["model: one two"]


def test_stop_ends_the_call_of_the_model(page: Page, model_server: ModelServer) -> None:
    """And the page is ready for the next message."""
    model_server.script(completions=[{"step_by_step": True}])
    page.type("one", Keys.ENTER)
    eventually("the model is asked", lambda: model_server.seen("/chat/completions"))

    page.find("#stop").click()

    eventually("the model's call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    assert "Stopped" in page.answered()[0] or "Stopped" in page.texts(".note")[0]
    page.type("two", Keys.ENTER)
    assert page.answered()[-1] == "model: two"


def test_the_session_outlives_a_reload_and_ends_with_a_new_chat(page: Page, agent: AgentProcess) -> None:
    """A reload shows what was said; a new chat forgets it, here and at the agent."""
    page.type("one", Keys.ENTER)
    page.answered()
    session = page.browser.execute_script("return sessionStorage.getItem('agent/:session')")

    page.browser.refresh()
    eventually("what was said is there", lambda: page.texts(".assistant div") == ["model: one"])
    assert page.texts(".user p") == ["one"]
    page.find("#new").click()

    assert page.texts("#conversation li") == []
    eventually("the agent forgot it", lambda: agent.http.get(f"/api/sessions/{session}").status_code == 404)


def test_what_is_said_never_becomes_markup(page: Page) -> None:
    """Neither in the message nor in the answer; code and emphasis are shown as such."""
    page.type(f"{SCRIPT} `x < y` **loud**", Keys.ENTER)

    (answer,) = page.answered()
    assert answer == f"model: {SCRIPT} x < y loud"
    assert page.texts(".assistant code, .assistant strong") == ["x < y", "loud"]
    assert page.texts("#conversation script, #conversation img") == []
    assert page.browser.title == "Clock"


def test_a_failure_is_told_and_gives_the_message_back(page: Page, model_server: ModelServer) -> None:
    """As an alert; nothing half-said stays."""
    model_server.script(completions=[{"status": 401, "always": True}])
    page.type("one", Keys.ENTER)

    eventually("the failure is told", lambda: "credentials" in page.texts("#fault[role=alert]")[0])
    assert page.texts("#conversation li") == []
    eventually("the message is back", lambda: page.find("#message").get_property("value") == "one")


def test_an_answer_that_breaks_off_stays_as_far_as_it_came(page: Page, model_server: ModelServer) -> None:
    """With an alert; the message is not sent again by itself."""
    model_server.script(completions=[{"break_after": 3}])
    page.type("one two", Keys.ENTER)

    eventually("the failure is told", lambda: "broke off" in page.texts("#fault[role=alert]")[0])
    eventually("what came stays", lambda: page.shows(".assistant p", "model: one"))
    assert page.texts(".user p") == ["one two"]
    assert page.find("#message").get_property("value") == ""


def test_a_key_is_asked_for_when_the_agent_wants_one(
    open_page: Callable[[AgentProcess], Page], start_agent: StartAgent, tmp_path: Any
) -> None:
    """And sent from then on; the message that asked is sent again."""
    (tmp_path / "keys").write_text("key-one\n")
    agent = start_agent(agent_toml(ECHO) + PAGE + f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n').ready()
    page = open_page(agent)
    page.type("one", Keys.ENTER)
    eventually("the key is asked for", lambda: page.find("#key-dialog").is_displayed())

    page.type("key-one", Keys.ENTER)

    eventually("it is answered", lambda: page.texts(".assistant p") == ["one"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(page: Page, scheme: str) -> None:
    """Every text has a contrast of 4.5 : 1 with what is behind it, as WCAG AA asks."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.type("one `two` three", Keys.ENTER)
    page.answered()

    weak = page.browser.execute_script(CONTRAST)

    assert weak == []
    dark = page.browser.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark == (scheme == "dark")


def test_controls_have_names_and_fields_have_labels(page: Page) -> None:
    """As a screen reader would say them, from the browser's own accessibility tree."""
    tree = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node["ignored"] and node.get("role", {}).get("value") in {"button", "textbox", "heading", "list"}
    }

    assert {("button", "Send"), ("button", "New chat"), ("textbox", "Message"), ("heading", "Clock")} <= named
    assert all(name for _, name in named)


def test_headers_keep_everything_else_out(agent: AgentProcess) -> None:
    """A strict policy without exceptions, on every file; a file that is known is not sent again."""
    for path in ("/", "/page.js", "/page.css", "/icon.svg"):
        response = agent.http.get(path)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "charset=utf-8" in response.headers["content-type"]
        again = agent.http.get(path, headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_it_is_off_unless_enabled(start_agent: StartAgent) -> None:
    """An agent is an API."""
    agent = start_agent(agent_toml(ECHO)).ready()

    assert [agent.http.get(path).status_code for path in ("/", "/page.js")] == [404, 404]
