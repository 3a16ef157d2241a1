"""The chat page in a browser."""

from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.integration.agent_runtime.conftest import eventually

# Texts with less contrast to their background than WCAG AA requires.
CONTRAST = """
const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (one) => {
  for (; one; one = one.parentElement) {
    const colour = rgb(getComputedStyle(one).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
};
const seen = [...document.querySelectorAll("body *")].filter((one) =>
  one.checkVisibility() && !one.matches(":disabled, .unseen, script") &&
  [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
if (seen.length < 8) throw new Error("hardly any text was found");
return seen.map((one) => {
  const [a, b] = [luminance(rgb(getComputedStyle(one).color)), luminance(behind(one))].sort((x, y) => y - x);
  return [one.textContent, (a + 0.05) / (b + 0.05)];
}).filter(([, contrast]) => contrast < 4.5);
"""


class Page:
    """The page as its user sees it."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        browser.switch_to.new_window("tab")
        browser.get(url)

    def find(self, selector: str) -> WebElement:
        """The element."""
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """The texts of the elements, visible or only for screen readers."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        found: list[str] = self.browser.execute_script(script, selector)
        return found

    def shows(self, selector: str, *texts: str) -> bool:
        """Wait until the elements have exactly these texts."""
        return self.texts(selector) == list(texts)

    def type(self, *keys: str) -> None:
        """Send keys to the element with the focus."""
        self.browser.switch_to.active_element.send_keys(*keys)

    def answered(self) -> list[str]:
        """The agent's answers, when none is being received any more."""
        eventually(
            "the answer is complete", lambda: self.texts('[aria-busy="false"]') and self.find("#send").is_displayed()
        )
        return self.texts(".assistant div")

    def faults(self) -> list[Any]:
        """Errors in the log of the browser: of the script, and violations of the policy."""
        return [entry for entry in self.browser.get_log("browser") if "favicon" not in entry["message"]]
