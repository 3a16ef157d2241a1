"""The chat page in a real browser: Debian's chromium, through WebDriver."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.integration.agent_runtime.chat_page.browser import CONTRAST, Page
from tests.integration.agent_runtime.chat_page.conftest import PAGE, SCRIPT
from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually
from tests.stream_cases import chunk, events


def test_the_page_shows_the_card(page: Page) -> None:
    """Name, description and examples of the card are shown. The message field has the focus."""
    assert page.browser.title == "Clock"
    assert page.texts("h1, #about, #examples button") == ["Clock", "Knows what time it is.", "What time is it?"]
    assert page.browser.switch_to.active_element.get_attribute("id") == "message"
    assert not page.faults()


def test_a_chat_with_the_keyboard(page: Page, model_server: ModelServer) -> None:
    """Enter sends, Shift+Enter starts a new line. Both messages are in one session. Answers are announced."""
    page.type("one", Keys.SHIFT, Keys.ENTER, Keys.NULL, "two", Keys.ENTER)
    assert page.answered() == ["model: one\ntwo"]
    page.type("three", Keys.ENTER)
    assert page.answered() == ["model: one\ntwo", "model: three"]

    sent = model_server.seen("/chat/completions")[1]["body"]["messages"]
    assert [message["content"] for message in sent[1:]] == ["one\ntwo", "model: one\ntwo", "three"]
    assert page.texts("#announcement") == ["Agent: model: three"]
    assert page.browser.switch_to.active_element.get_attribute("id") == "message"
    assert not page.faults()


@pytest.mark.parametrize(
    ("text", "reason", "note"),
    [("half", "length", "limit of tokens"), ("", "content_filter", "content filter"), ("whole", "stop", "")],
)
def test_a_cut_answer_has_a_note(page: Page, model_server: ModelServer, text: str, reason: str, note: str) -> None:
    """The note says why, and that the agent does not remember the message."""
    model_server.script(completions=[{"raw": events(chunk({"content": text}), chunk({}, reason))}])

    page.type("hi", Keys.ENTER)

    page.answered()
    notes = page.texts(".assistant .note")
    assert len(notes) == bool(note)
    assert all(note in one and "does not remember" in one for one in notes)
    assert not page.faults()


def test_an_answer_appears_word_by_word(page: Page, model_server: ModelServer) -> None:
    """The model server sends a word only after the page has shown the one before."""
    model_server.script(completions=[{"step_by_step": True}])
    model_server.go()  # the chunk with the role
    page.type("one two", Keys.ENTER)

    for expected in ("model:", "model: one", "model: one two"):
        model_server.go()
        eventually(f"the page shows {expected}", partial(page.shows, ".assistant p", expected))
    for _ in range(3):
        model_server.go()

    assert page.answered() == ["model: one two"]


def test_comments_of_a_silent_stream_are_not_shown(page: Page, model_server: ModelServer) -> None:
    """The agent sends two of them before the model answers."""
    model_server.script(completions=[{"delay": 2.5}])

    page.type("one", Keys.ENTER)

    assert page.answered() == ["model: one"]
    assert not page.faults()


def test_stop_ends_the_model_call(page: Page, model_server: ModelServer) -> None:
    """After it the page sends the next message."""
    model_server.script(completions=[{"step_by_step": True}])
    page.type("one", Keys.ENTER)
    eventually("the model is called", lambda: model_server.seen("/chat/completions"))

    page.find("#stop").click()

    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    assert "Stopped" in page.answered()[0] or "Stopped" in page.texts(".note")[0]
    page.type("two", Keys.ENTER)
    assert page.answered()[-1] == "model: two"


def test_a_reload_keeps_the_session_and_a_new_chat_deletes_it(page: Page, agent: AgentProcess) -> None:
    """A reload shows the messages again. A new chat deletes the session in the page and in the agent."""
    page.type("one", Keys.ENTER)
    page.answered()
    session = page.browser.execute_script("return sessionStorage.getItem('agent/:session')")

    page.browser.refresh()
    eventually("the messages are shown", lambda: page.texts(".assistant div") == ["model: one"])
    assert page.texts(".user p") == ["one"]
    page.find("#new").click()

    assert page.texts("#conversation li") == []
    eventually("the session is deleted", lambda: agent.http.get(f"/api/sessions/{session}").status_code == 404)


def test_messages_never_become_markup(page: Page) -> None:
    """Tags in a message or an answer are shown as text. Code and emphasis are formatted."""
    page.type(f"{SCRIPT} `x < y` **loud**", Keys.ENTER)

    (answer,) = page.answered()
    assert answer == f"model: {SCRIPT} x < y loud"
    assert page.texts(".assistant code, .assistant strong") == ["x < y", "loud"]
    assert page.texts("#conversation script, #conversation img") == []
    assert page.browser.title == "Clock"


def test_escape_stops_an_answer(page: Page, model_server: ModelServer) -> None:
    model_server.script(completions=[{"step_by_step": True}])
    page.type("one", Keys.ENTER)
    eventually("the model is called", lambda: model_server.seen("/chat/completions"))

    page.type(Keys.ESCAPE)

    eventually("the model call is closed", lambda: model_server.seen("/chat/completions")[0]["closed"])
    page.answered()
    assert page.texts(".note") == ["Stopped. The agent does not remember this message."]


@pytest.mark.parametrize(
    ("step", "remedy"),
    [
        ({"status": 401}, "tell the people who run this agent."),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "Send the message again in 7 s."),
        ({"status": 400, "json": {"error": {"message": "no", "code": "context_length_exceeded"}}}, "start a new chat."),
    ],
)
def test_an_error_names_the_remedy(page: Page, model_server: ModelServer, step: dict[str, Any], remedy: str) -> None:
    model_server.script(completions=[step | {"always": True}])
    page.type("one", Keys.ENTER)

    (shown,) = eventually("the failure is shown", lambda: page.texts("#fault:not(:empty)"))
    assert shown.endswith(remedy), shown


def test_a_failure_is_shown_and_returns_the_message(page: Page, model_server: ModelServer) -> None:
    """The failure is an alert, and the message is in the field again."""
    model_server.script(completions=[{"status": 401, "always": True}])
    page.type("one", Keys.ENTER)

    eventually("the failure is shown", lambda: "credentials" in page.texts("#fault[role=alert]")[0])
    assert page.texts("#conversation li") == []
    eventually("the message is back", lambda: page.find("#message").get_property("value") == "one")


def test_an_incomplete_answer_stays_on_the_page(page: Page, model_server: ModelServer) -> None:
    """The failure is an alert. The message is not sent again."""
    model_server.script(completions=[{"break_after": 3}])
    page.type("one two", Keys.ENTER)

    eventually("the failure is shown", lambda: "broke off" in page.texts("#fault[role=alert]")[0])
    eventually("the part stays", lambda: page.shows(".assistant p", "model: one"))
    assert page.texts(".user p") == ["one two"]
    assert page.find("#message").get_property("value") == ""


def test_the_page_asks_for_the_api_key(
    open_page: Callable[[AgentProcess], Page], start_agent: StartAgent, tmp_path: Any
) -> None:
    """After the key is entered, the page sends the message again with the key."""
    (tmp_path / "keys").write_text("key-one\n")
    agent = start_agent(agent_toml(ECHO) + PAGE + f'[agent.server]\napi_keys_file = "{tmp_path / "keys"}"\n').ready()
    page = open_page(agent)
    page.type("one", Keys.ENTER)
    eventually("the dialog for the key opens", lambda: page.find("#key-dialog").is_displayed())

    assert not page.find("#key-refused").is_displayed()
    page.type("wrong", Keys.ENTER)
    eventually("the page says that the key is wrong", lambda: page.find("#key-refused").is_displayed())
    assert "refused the API key" in page.texts("#key-refused[role=alert]")[0]

    page.type("key-one", Keys.ENTER)

    eventually("the message is answered", lambda: page.texts(".assistant p") == ["one"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast_in_both_schemes(page: Page, scheme: str) -> None:
    """WCAG AA requires a contrast of 4.5 : 1 between text and background."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.type("one `two` three", Keys.ENTER)
    page.answered()

    low_contrast = page.browser.execute_script(CONTRAST)

    assert low_contrast == []
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
    for path in ("/", "/page.js", "/markdown.js", "/marked.js", "/page.css", "/icon.svg"):
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
