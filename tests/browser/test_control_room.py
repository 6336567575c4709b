"""Every page of the control room that staff use all day, in both schemes and sizes."""

import pytest
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests import make
from tests.browser.accessibility import find_problems
from tests.browser.console_pages import enter_room, room_pages_of
from tests.browser.demo_rows import make_demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_pages_of_the_control_room_are_accessible_and_in_plain_words(
    live_server: LiveServer, browser: WebDriver, transactional_db: None
) -> None:
    admin, rows = make_demo()
    admin.is_staff = admin.is_superuser = True
    admin.save()
    enter_room(browser, live_server, admin)

    assert find_problems(browser, live_server, room_pages_of(rows)) == {}


def test_skip_link_reaches_the_content(
    live_server: LiveServer, browser: WebDriver, transactional_db: None
) -> None:
    enter_room(browser, live_server, make.user(is_staff=True, is_superuser=True))
    browser.get(live_server.url + "/admin/batches/batch/")

    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB, Keys.ENTER)

    assert browser.execute_script("return document.activeElement.id") == "content"
