"""Pages in a real browser: scripts run under our policy, and pages update themselves."""

from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from selenium.common.exceptions import StaleElementReferenceException
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
        browser.execute_script("return document.querySelector('[data-live]')?.innerText ?? ''")
    )


def test_batch_can_be_started_without_a_reload_once_its_list_is_imported(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    batch = make.batch(Workspace.unscoped.create(name="Ours"), status=Batch.Status.VALIDATING)

    log_in(browser, live_server, staff, f"/admin/batches/batch/{batch.pk}/change/")
    before = browser.find_elements(By.CSS_SELECTOR, "#primary-order button")
    Batch.unscoped.filter(pk=batch.pk).update(status="ready")

    assert before == []
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "button[value=start]")
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
    browser.find_element(By.CSS_SELECTOR, "button[value=pause]").click()
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
    orders = [box_of(browser, f"button[value={name}]") for name in ("resume", "pause")]
    before = box_of(browser, "#stop-order button")
    Batch.unscoped.filter(pk=batch.pk).update(status="running", error=None, probe_at=None)
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: text_of(driver).startswith("Calling")
    )
    after = box_of(browser, "#stop-order button")
    browser.find_element(By.CSS_SELECTOR, "#stop-order button").click()
    asked = browser.find_element(By.ID, "stop-dialog").text
    browser.find_element(By.CSS_SELECTOR, "#stop-dialog button[value=stop]").click()
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


def test_upload_form_searches_for_the_agent(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    agent = make.agent(Workspace.unscoped.create(name="Ours"), name="Reception")
    make.agent(Workspace.unscoped.create(name="Theirs"), name="Reception")

    log_in(browser, live_server, staff, "/admin/batches/batch/upload/")
    choose(browser, "workspace", "ours", "Ours")
    offered = choose(browser, "agent", "recep", "Ours: Reception")

    assert browser.find_element(By.ID, "id_agent").get_attribute("value") == str(agent.pk)
    assert offered == ["Ours: Reception"]
    assert logged_errors(browser) == []


def choose(browser: WebDriver, field: str, typed: str, label: str) -> list[str]:
    """Search in a field and click the choice; return all that were offered."""
    browser.find_element(By.CSS_SELECTOR, f"#id_{field} + .select2 .select2-selection").click()
    browser.find_element(By.CSS_SELECTOR, ".select2-search__field").send_keys(typed)
    waiting = WebDriverWait(
        browser, PAGE_TIMEOUT_SECONDS, ignored_exceptions=[StaleElementReferenceException]
    )

    def find(driver: WebDriver) -> list[str]:
        """What is offered once the search is over, and the first click on it."""
        options = driver.find_elements(By.CSS_SELECTOR, ".select2-results__option")
        texts = [option.text for option in options]
        if not texts or not all(typed.lower() in text.lower() for text in texts):
            return []  # still what was offered before the search
        options[texts.index(label)].click()
        return texts

    return waiting.until(find)


def test_a_refused_upload_keeps_the_file(
    live_server: LiveServer, browser: WebDriver, staff: User, tmp_path: Path
) -> None:
    ours = Workspace.unscoped.create(name="Ours")
    make.agent(ours, name="Reception")
    make.phone_number(ours, phone_number="+12025550100")
    (tmp_path / "list.csv").write_text("Erreichbar,Name\nbei der Arbeit,Ada\n")

    log_in(browser, live_server, staff, "/admin/batches/batch/upload/")
    browser.find_element(By.NAME, "name").send_keys("Reminders")
    choose(browser, "workspace", "ours", "Ours")
    choose(browser, "agent", "recep", "Ours: Reception")
    choose(browser, "phone_number", "+1202", "Ours: +12025550100")
    browser.find_element(By.NAME, "file").send_keys(str(tmp_path / "list.csv"))
    browser.find_element(By.NAME, "name").submit()
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: "no phone column" in driver.find_element(By.ID, "refusals").text
    )
    browser.find_element(By.NAME, "column_mapping").send_keys("Erreichbar = phone_number")
    browser.find_element(By.NAME, "name").submit()
    WebDriverWait(browser, PAGE_TIMEOUT_SECONDS).until(
        lambda driver: driver.current_url.endswith("/change/")
    )

    assert Batch.unscoped.get().column_mapping == {"Erreichbar": "phone_number"}


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
