"""What axe-core finds on pages, and words on them that are none of the field."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_django.live_server_helper import LiveServer
from selenium.webdriver.chrome.webdriver import WebDriver

from tests.browser.console_pages import DESKTOP, PHONE, SCHEMES, emulate

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
SNAKE_CASE = re.compile(r"\b[a-z]+_[a-z_]+\b")
JSON_TEXT = re.compile(r"\{\"|\":|\[\{|'\w+':")
# What the scheme or the size may change; everything else is the same in all of them.
RULES_OF_LOOKS = [
    "color-contrast",
    "target-size",
    "scrollable-region-focusable",
    "link-in-text-block",
]


# Icons are ligatures of a font, and a prompt is drawn twice.
HIDE_DRAWN = (
    "document.querySelectorAll('.material-symbols-outlined, .prompt-behind')"
    ".forEach((element) => element.remove())"
)


def text_of(browser: WebDriver) -> str:
    """The visible text, read in one step, because a part of it may be replaced between two."""
    return str(browser.execute_script("return document.body.innerText"))


def find_problems(
    browser: WebDriver, server: LiveServer, pages: Mapping[str, str]
) -> dict[str, Any]:
    """Open each page once, in both schemes and sizes; return what is wrong, by page."""
    script = AXE.read_text()
    found: dict[str, Any] = {}
    for name, path in pages.items():
        emulate(browser, "light", DESKTOP)
        browser.get(server.url + path)
        browser.execute_script(script)
        rules = None
        for size in (DESKTOP, PHONE):
            for scheme in SCHEMES:
                emulate(browser, scheme, size)
                if problems := serious_problems(browser, rules):
                    found[f"{name} {size[0]} {scheme}"] = problems
                rules = RULES_OF_LOOKS
        browser.execute_script(HIDE_DRAWN)
        text = text_of(browser)
        wrong = [*UUID.findall(text), *SNAKE_CASE.findall(text), *JSON_TEXT.findall(text)]
        if wrong:
            found[f"{name} words"] = wrong
    return found


def serious_problems(browser: WebDriver, rules: list[str] | None = None) -> list[Any]:
    """What axe-core finds serious or critical, as rule and elements."""
    time.sleep(0.05)  # the scheme is applied with the next frame
    result: list[Any] = browser.execute_async_script(
        """
        const [rules, done] = arguments;
        const options = {resultTypes: ["violations"], ...(rules && {runOnly: rules})};
        axe.run(document, options).then((result) => done(
          result.violations.filter((v) => ["serious", "critical"].includes(v.impact))
            .map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))])));
        """,
        rules,
    )
    return result
