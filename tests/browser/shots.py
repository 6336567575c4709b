"""Pictures of the pages of console and control room for the documentation: `make shots`.

Not named `test_…`, so that it runs only when it is asked for.
"""

import base64
import os
from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver.chrome.webdriver import WebDriver

from tests.browser.console_pages import (
    DESKTOP,
    PHONE,
    SCHEMES,
    emulate,
    enter,
    enter_room,
    pages_of,
    room_pages_of,
)
from tests.browser.demo_rows import make_demo

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MAX_HEIGHT = 2400
# What the documentation shows; SHOTS=all takes every page, to look at.
KEPT = {
    "console": {"overview", "batch", "new-batch", "call", "calls", "reports"},
    "control": {"overview", "batch", "review", "person"},
}


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_pictures_of_the_console(
    live_server: LiveServer, browser: WebDriver, transactional_db: None
) -> None:
    admin, rows = make_demo()
    with override_settings(PUBLIC_URL=live_server.url):
        enter(browser, live_server, admin)
        photograph(browser, live_server, "console", pages_of(rows))


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_pictures_of_the_control_room(
    live_server: LiveServer, browser: WebDriver, transactional_db: None
) -> None:
    admin, rows = make_demo()
    admin.is_staff = admin.is_superuser = True
    admin.save()
    enter_room(browser, live_server, admin)
    photograph(browser, live_server, "control", room_pages_of(rows))


def photograph(browser: WebDriver, server: LiveServer, surface: str, pages: dict[str, str]) -> None:
    """Keep a picture of each page in each size and scheme."""
    folder = Path(os.environ.get("SHOTS_FOLDER", IMAGES))
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in pages.items():
        if name not in KEPT[surface] and "SHOTS_FOLDER" not in os.environ:
            continue
        for size_name, size in (("desktop", DESKTOP), ("phone", PHONE)):
            for scheme in SCHEMES:
                emulate(browser, scheme, size)
                browser.get(server.url + path)
                picture = take(browser, size[0])
                (folder / f"{surface}-{name}-{size_name}-{scheme}.png").write_bytes(picture)


def take(browser: WebDriver, width: int) -> bytes:
    """Return a picture of the whole page, down to a limit."""
    height = browser.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": min(int(height), MAX_HEIGHT), "scale": 1}
    answer = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True}
    )
    return base64.b64decode(answer["data"])
