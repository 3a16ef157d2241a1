"""A browser, and the chat page in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.polling import eventually

# Returns the texts whose contrast with their background is below WCAG AA.
CONTRAST = """
const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const background = (node) => {
  for (; node; node = node.parentElement) {
    const colour = rgb(getComputedStyle(node).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
};
const seen = [...document.querySelectorAll("body *")].filter((one) =>
  one.checkVisibility() && !one.matches(":disabled, .unseen, script") &&
  [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
if (seen.length < 8) throw new Error("the page has fewer than 8 texts");
return seen.map((one) => {
  const [a, b] = [luminance(rgb(getComputedStyle(one).color)), luminance(background(one))].sort((x, y) => y - x);
  return [one.textContent, (a + 0.05) / (b + 0.05)];
}).filter(([, contrast]) => contrast < 4.5);
"""


@contextmanager
def open_browser() -> Iterator[Chrome]:
    """Run Debian's chromium until the end of the context."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    assert not missing, "the tests need a browser: apt-get install chromium chromium-driver"
    options = ChromeOptions()
    options.binary_location = programs["chromium"] or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,800"):
        options.add_argument(argument)
    driver = Chrome(options, ChromeService(programs["chromedriver"]))
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """The chat page in a browser tab. It reads what a user sees and hears."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        browser.switch_to.new_window("tab")
        browser.get(url)

    def find(self, selector: str) -> WebElement:
        """Return the element."""
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Return the texts of the elements, including those for screen readers only."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        found: list[str] = self.browser.execute_script(script, selector)
        return found

    def shows(self, selector: str, *texts: str) -> bool:
        """Return whether the elements have exactly these texts."""
        return self.texts(selector) == list(texts)

    def type(self, *keys: str) -> None:
        """Type into the element that has the focus."""
        self.browser.switch_to.active_element.send_keys(*keys)

    def answered(self) -> list[str]:
        """Wait until no request is in flight, and return the answers of the agent."""
        eventually(
            "the answer is complete", lambda: self.texts('[aria-busy="false"]') and self.find("#send").is_displayed()
        )
        return self.texts(".assistant div")

    def faults(self) -> list[Any]:
        """Return what the browser logged: script errors and violations of the content security policy."""
        return [entry for entry in self.browser.get_log("browser") if "favicon" not in entry["message"]]
