"""Pages in a real browser: scripts run under our policy, and pages update themselves."""

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from accounts.models import User, Workspace
from batches.models import Batch, Recipient
from tests import make

PAGE_TIMEOUT_SECONDS = 20.0

pytestmark = pytest.mark.browser


@pytest.fixture
def staff(transactional_db: None) -> User:
    return make.user(is_staff=True, is_superuser=True)


def log_in(browser: WebDriver, server: LiveServer, user: User, page: str) -> None:
    browser.get(server.url + page)
    browser.find_element(By.NAME, "username").send_keys(user.email)
    browser.find_element(By.NAME, "password").send_keys(make.PASSWORD + "\n")
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: driver.current_url == server.url + page
    )


@pytest.fixture(autouse=True)
def empty_log(browser: WebDriver) -> None:
    """Discard what the page before may have logged."""
    browser.get("about:blank")
    logged_errors(browser)


# Redoc's logo, which it would fetch from its makers, and an error of select2 when an answer
# arrives after its list was closed.
IGNORED_MESSAGES = ("favicon", "logo-mini", "removePlaceholder")


def logged_errors(browser: WebDriver) -> list[str]:
    """Return the errors of scripts and of the policy since the last call."""
    # Selenium's method has no annotations.
    log: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [
        entry["message"]
        for entry in log
        if not any(word in entry["message"] for word in IGNORED_MESSAGES)
    ]


def text_of(browser: WebDriver) -> str:
    """Read the live panel in one step, because it may be replaced between two steps."""
    return str(
        browser.execute_script(
            "return document.querySelector('[data-size=large]')?.innerText ?? ''"
        )
    )


def order(name: str) -> str:
    """Return the selector of the button that gives an order."""
    return f"button[formaction$='/order/{name}/']"


def test_batch_can_be_started_without_a_reload_once_its_list_is_imported(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    batch = make.batch(Workspace.unscoped.create(name="Ours"), status=Batch.Status.VALIDATING)

    log_in(browser, live_server, staff, f"/admin/batches/batch/{batch.pk}/change/")
    before = browser.find_elements(By.CSS_SELECTOR, "#primary-order button")
    Batch.unscoped.filter(pk=batch.pk).update(status="ready")

    assert before == []
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, order("start"))
    )


def test_batch_page_updates_itself_and_accepts_actions(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    ours = Workspace.unscoped.create(name="Ours")
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    recipients = [make.recipient(batch) for _ in range(2)]

    log_in(browser, live_server, staff, f"/admin/batches/batch/{batch.pk}/change/")
    before = text_of(browser)
    Recipient.unscoped.filter(pk=recipients[0].pk).update(status="completed")
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: "1 of 2 recipients (50 %)" in text_of(driver)
    )
    browser.find_element(By.CSS_SELECTOR, order("pause")).click()
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: text_of(driver).startswith("Paused")
    )

    batch.refresh_from_db()
    offered = [
        button.text for button in browser.find_elements(By.CSS_SELECTOR, "#primary-order button")
    ]
    assert "0 of 2 recipients (0 %)" in before
    assert batch.status == Batch.Status.PAUSED
    assert offered == ["Resume"]
    assert logged_errors(browser) == []


def box_of(browser: WebDriver, selector: str) -> tuple[float, float]:
    """Return the left and the right end of an element."""
    box = browser.find_element(By.CSS_SELECTOR, selector).rect
    return box["x"], box["x"] + box["width"]


def test_stop_never_comes_to_lie_where_another_order_was(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    batch = make.batch(
        Workspace.unscoped.create(name="Ours"),
        status=Batch.Status.PAUSED,
        error="The carrier failed",
        probe_at=timezone.now(),
    )
    make.recipient(batch)

    log_in(browser, live_server, staff, f"/admin/batches/batch/{batch.pk}/change/")
    orders = [box_of(browser, order(name)) for name in ("resume", "pause")]
    before = box_of(browser, "#stop-order button")
    Batch.unscoped.filter(pk=batch.pk).update(status="running", error=None, probe_at=None)
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: text_of(driver).startswith("Calling")
    )
    after = box_of(browser, "#stop-order button")
    browser.find_element(By.CSS_SELECTOR, "#stop-order button").click()
    asked = browser.find_element(By.ID, "stop-dialog").text
    browser.find_element(By.CSS_SELECTOR, "#stop-dialog button[type=submit]").click()
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: text_of(driver).startswith("Stopped")
    )

    assert before == after
    assert all(end <= before[0] for _, end in orders)
    assert "1 of 1 people of Reminders still wait for a call" in asked
    assert "1 not called" in text_of(browser)
    assert logged_errors(browser) == []


def test_a_page_whose_session_has_ended_says_so(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    batch = make.batch(Workspace.unscoped.create(name="Ours"), status=Batch.Status.RUNNING)
    make.recipient(batch)

    log_in(browser, live_server, staff, f"/admin/batches/batch/{batch.pk}/change/")
    Session.objects.all().delete()
    banner = WebDriverWait(browser, 10).until(
        lambda driver: driver.find_elements(By.ID, "not-connected")
    )

    assert banner[0].text.startswith("Not connected since")


def test_a_prompt_says_what_it_lacks_and_rows_take_the_place_of_json(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    agent = make.agent(
        Workspace.unscoped.create(name="Ours"),
        system_prompt="Speak with {{first_name}} about {{day}}.",
        variables=[{"name": "first_name", "required": True}],
    )

    log_in(browser, live_server, staff, f"/admin/agents/agent/{agent.pk}/change/")
    coloured = "return [...document.querySelectorAll('.prompt mark')].map(m => m.textContent)"
    wrong = "return [...document.querySelectorAll('mark.undeclared')].map(m => m.textContent)"
    before = (browser.execute_script(coloured), browser.execute_script(wrong))
    rows = browser.find_element(By.CSS_SELECTOR, ".rows:has(+ details #id_variables)")
    # By script: the bar with the buttons may lie over it.
    browser.execute_script("arguments[0].click()", rows.find_element(By.XPATH, "./button"))
    rows.find_elements(By.CSS_SELECTOR, "input[type=text]")[-2].send_keys("day")
    after = browser.execute_script(wrong)
    browser.find_element(By.NAME, "_save").click()
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: "was changed successfully" in driver.page_source
    )
    agent.refresh_from_db()

    assert before == (["{{first_name}}", "{{day}}"], ["{{day}}"])
    assert after == []
    assert agent.variables == [{"name": "first_name", "required": True}, {"name": "day"}]
    assert logged_errors(browser) == []


@pytest.mark.parametrize(("page", "selector"), [("/docs", ".opblock-summary"), ("/redoc", "h1")])
def test_api_description_is_rendered(
    live_server: LiveServer, browser: WebDriver, page: str, selector: str
) -> None:
    browser.get(live_server.url + page)

    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, selector)
    )
    assert "VoiceOps" in browser.find_element(By.TAG_NAME, "body").text
    assert logged_errors(browser) == []
