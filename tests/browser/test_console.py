"""The console in a real browser: the way from an invitation to results, and what pages promise."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from accounts.auth.principal import Principal
from accounts.models import Session, Workspace
from accounts.roles import Role
from accounts.services import email_delivery, invitations
from batches.models import Batch, Recipient
from batches.services.imports import import_batch
from tests import make
from tests.browser.accessibility import find_problems, text_of
from tests.browser.console_pages import DESKTOP, PHONE, emulate, enter, pages_of
from tests.browser.demo_rows import make_demo

LISTS = Path(__file__).parents[1] / "fixtures" / "lists"
PAGE_TIMEOUT_SECONDS = 20.0

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def until(browser: WebDriver, condition: Any, seconds: float = PAGE_TIMEOUT_SECONDS) -> Any:
    return WebDriverWait(browser, seconds, poll_frequency=0.2).until(lambda driver: condition())


def click(browser: WebDriver, selector: str) -> None:
    """Click what the selector finds by script: it may be replaced at any moment."""
    until(
        browser,
        lambda: browser.execute_script(
            "const found = document.querySelector(arguments[0]); found?.click(); return !!found",
            selector,
        ),
    )


def box(browser: WebDriver, selector: str) -> dict[str, float] | None:
    found: dict[str, float] | None = browser.execute_script(
        "return document.querySelector(arguments[0])?.getBoundingClientRect().toJSON()", selector
    )
    return found


def invite(ours: Workspace) -> str:
    """Invite a manager; return the link of the mail, as a path."""
    invitations.create_invitation(
        workspace=ours,
        email="grace@example.com",
        role=Role.MANAGER,
        principal=Principal.for_user(make.member(ours, Role.ADMIN)),
        now=timezone.now(),
    )
    email_delivery.wait_until_sent()
    found = re.search(r"(/console/invitation\S+)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


@pytest.fixture
def ours(transactional_db: None) -> Workspace:
    return make.workspace(name="Ours")


def test_from_the_invitation_to_the_results(
    live_server: LiveServer, browser: WebDriver, ours: Workspace
) -> None:
    make.agent(ours, name="Reminders")
    make.phone_number(ours, max_concurrent_calls=200)
    emulate(browser, "light", DESKTOP)
    browser.delete_all_cookies()

    browser.get(live_server.url + invite(ours))
    browser.find_element(By.NAME, "name").send_keys("Grace")
    browser.find_element(By.NAME, "password").send_keys(make.PASSWORD + "\n")
    until(browser, lambda: "Overview" in text_of(browser))
    check_the_list(live_server, browser)
    batch = start_the_batch(browser)
    pause_resume_and_stop(browser, batch)

    file = browser.find_element(By.PARTIAL_LINK_TEXT, "CSV").get_attribute("href")
    assert f"/console/batches/{batch.pk}/file/results.csv" in str(file)


def check_the_list(server: LiveServer, browser: WebDriver) -> None:
    expected = json.loads((LISTS / "expected.json").read_text())["appointments.csv"]
    browser.get(server.url + "/console/batches/new")
    browser.find_element(By.NAME, "file").send_keys(str(LISTS / "appointments.csv"))
    click(browser, "button[hx-target='#step-columns']")
    until(browser, lambda: browser.find_elements(By.NAME, "default_country"))
    Select(browser.find_element(By.NAME, "default_country")).select_by_value("US")
    # The second one: "Check again".
    click(browser, "#step-columns button[hx-target='#step-columns']")

    # Read in one step, because the part may be replaced between two.
    cells = (
        "return Object.fromEntries([...document.querySelectorAll('#step-columns [data-count]')]"
        ".map(cell => [cell.dataset.count, Number(cell.innerText.replaceAll(',', ''))]))"
    )
    wanted = {name: expected[name] for name in ("rows", "valid", "duplicate", "rejected")}
    until(browser, lambda: wanted.items() <= browser.execute_script(cells).items())


def start_the_batch(browser: WebDriver) -> Batch:
    click(browser, "button[hx-target='#step-when']")
    until(browser, lambda: browser.find_elements(By.NAME, "name"))
    browser.find_element(By.NAME, "calls_per_second").send_keys("0.5", Keys.TAB)
    until(browser, lambda: "At 0.5 calls a second" in text_of(browser))
    browser.find_element(By.NAME, "trial_to").send_keys("+1 202 555 0186")
    click(browser, "button[hx-target='#trial']")
    until(browser, lambda: "is being called" in text_of(browser))
    browser.find_element(By.NAME, "name").send_keys("March")
    click(browser, "button[name=start][value=manual]")
    until(browser, lambda: re.search(r"/console/batches/[0-9a-f-]{36}$", browser.current_url))
    batch = Batch.unscoped.get()
    assert batch.name == "March"
    import_batch(batch.pk)
    click(browser, "form[action$='/order/start'] button")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "form[action$='/order/pause']"))
    return batch


def pause_resume_and_stop(browser: WebDriver, batch: Batch) -> None:
    click(browser, "form[action$='/order/pause'] button")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "form[action$='/order/resume']"))
    click(browser, "form[action$='/order/resume'] button")
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "form[action$='/order/pause']"))
    people = list(Recipient.unscoped.filter(batch=batch, status="pending")[:2])
    for person in people:
        Recipient.unscoped.filter(pk=person.pk).update(status="in_call", due_at=None)
    click(browser, "#stop-order")
    until(browser, lambda: "Stop this batch for good?" in text_of(browser))
    assert "people will not be called any more" in text_of(browser)
    click(browser, "#stop-dialog button[type=submit]")
    until(browser, lambda: "Stopped" in text_of(browser))
    # The last calls end; the page follows without a reload.
    for person in people:
        Recipient.unscoped.filter(pk=person.pk).update(status="completed", outcome="answered")
    until(browser, lambda: re.search(r"Reached\s+2", text_of(browser)))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_order_lies_never_where_stop_is(
    live_server: LiveServer, browser: WebDriver, ours: Workspace, size: tuple[int, int]
) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    enter(browser, live_server, make.member(ours, Role.MANAGER))
    emulate(browser, "light", size)
    boxes = []
    for status in ("ready", "running", "paused"):
        Batch.unscoped.filter(pk=batch.pk).update(status=status)
        browser.get(f"{live_server.url}/console/batches/{batch.pk}")
        boxes.append((box(browser, "#primary-order"), box(browser, "#stop-order")))

    assert all(order and stop for order, stop in boxes)
    for order, _ in boxes:
        for _, stop in boxes:
            assert order is not None
            assert stop is not None
            apart = order["right"] <= stop["left"] or order["bottom"] <= stop["top"]
            assert apart, boxes


def test_banner_within_ten_seconds_after_the_session_ended_elsewhere(
    live_server: LiveServer, browser: WebDriver, ours: Workspace
) -> None:
    user = make.member(ours)
    enter(browser, live_server, user)
    emulate(browser, "light", DESKTOP)
    browser.get(live_server.url + "/console/batches")

    Session.objects.filter(user=user).update(revoked_at=timezone.now())
    until(browser, lambda: "your session has ended" in text_of(browser), seconds=10)

    assert "Not connected since" in text_of(browser)
    assert "Sign in again" in text_of(browser)


def test_banner_while_the_server_is_lost(
    live_server: LiveServer, browser: WebDriver, ours: Workspace
) -> None:
    enter(browser, live_server, make.member(ours))
    browser.get(live_server.url + "/console/batches")
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.enable", {})

    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    until(browser, lambda: "What you see may be out of date." in text_of(browser), seconds=10)
    browser.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {**offline, "offline": False, "downloadThroughput": -1, "uploadThroughput": -1},
    )

    until(browser, lambda: "Not connected" not in text_of(browser), seconds=10)


def test_recording_plays_and_the_spoken_turn_is_lit(
    live_server: LiveServer, browser: WebDriver, transactional_db: None, settings: Any
) -> None:
    settings.PUBLIC_URL = live_server.url
    admin, rows = make_demo()
    enter(browser, live_server, admin)
    browser.get(f"{live_server.url}/console/calls/{rows['call'].pk}")

    browser.execute_script("document.querySelector('audio').play()")
    turns = "[...document.querySelectorAll('[data-seek]')]"
    lit = f"return {turns}.findIndex(turn => turn.classList.contains('lit'))"
    until(browser, lambda: browser.execute_script(lit) == 0)
    until(browser, lambda: browser.execute_script(lit) > 0)
    click(browser, "li:nth-child(4) > [data-seek]")

    until(browser, lambda: browser.execute_script(lit) == 3)


def test_pages_are_accessible_and_in_plain_words(
    live_server: LiveServer, browser: WebDriver, transactional_db: None
) -> None:
    admin, rows = make_demo()
    enter(browser, live_server, admin)

    assert find_problems(browser, live_server, pages_of(rows)) == {}


def test_skip_link_reaches_the_content(
    live_server: LiveServer, browser: WebDriver, ours: Workspace
) -> None:
    enter(browser, live_server, make.member(ours))
    emulate(browser, "light", DESKTOP)
    browser.get(live_server.url + "/console/batches")

    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB, Keys.ENTER)

    assert browser.execute_script("return document.activeElement.id") == "content"
