"""Fixtures of the chat page: a browser, an agent with the page, and the page in a tab."""

from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver import Chrome

from tests.integration.agent_runtime.chat_page.browser import Page, open_browser
from tests.integration.agent_runtime.conftest import ECHO, AgentProcess, StartAgent, agent_toml, openai_model
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

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
QUICK_COMMENTS = "[agent.server]\nkeep_alive_seconds = 1\n"
# Sets the title of the page if a browser runs it.
SCRIPT = "<script>document.title = 'injected'</script><img src=x onerror=\"document.title = 'injected'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """One browser for all tests. Each test gets a new tab, and so a new session."""
    with open_browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def agent(start_shared_agent: StartAgent, shared_model_server: ModelServer) -> AgentProcess:
    """An agent with the chat page, whose model is the fake model server."""
    return start_shared_agent(agent_toml(openai_model(shared_model_server), ECHO) + PAGE + QUICK_COMMENTS).ready()


@pytest.fixture
def open_page(browser: Chrome) -> Iterator[Callable[[AgentProcess], Page]]:
    """Open the page of an agent in a new tab, which closes after the test."""
    first = browser.current_window_handle

    def open_tab(agent: AgentProcess) -> Page:
        page = Page(browser, f"http://127.0.0.1:{agent.port}/")
        eventually("the page shows the name of the agent", lambda: browser.title != "Agent")
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
    """The page of the agent."""
    return open_page(agent)
