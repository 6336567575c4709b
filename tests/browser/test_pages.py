"""What only a browser sees: that scripts run under our policy, and that a page moves by itself."""

import os
import shutil
from collections.abc import Iterator

import pytest
from pytest_django.live_server_helper import LiveServer
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from accounts.models import User, Workspace
from batches.models import Batch, Recipient
from tests import make

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PATIENCE = 20.0

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromium-driver (apt-get install)"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1400,1000",
    ):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to be root with one
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def staff(transactional_db: None) -> User:
    return make.user(is_staff=True, is_superuser=True)


def log_in(browser: WebDriver, server: LiveServer, person: User, page: str) -> None:
    browser.get(server.url + page)
    browser.find_element(By.NAME, "username").send_keys(person.email)
    browser.find_element(By.NAME, "password").send_keys(make.PASSWORD + "\n")
    WebDriverWait(browser, PATIENCE).until(lambda driver: driver.current_url == server.url + page)


@pytest.fixture(autouse=True)
def nothing_said_before(browser: WebDriver) -> None:
    """A page that was left may have complained last."""
    browser.get("about:blank")
    complaints(browser)


# A logo that Redoc would fetch from its makers; an answer that select2 hears after its list was
# closed, and trips over.
NOT_OURS = ("favicon", "logo-mini", "removePlaceholder")


def complaints(browser: WebDriver) -> list[str]:
    """Whatever a script or the policy was refused since it was asked last."""
    log: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]  # the library's own
    return [
        entry["message"] for entry in log if not any(word in entry["message"] for word in NOT_OURS)
    ]


def text_of(browser: WebDriver) -> str:
    """In one step: an element found in one and read in the next may have been replaced in between."""
    return str(
        browser.execute_script("return document.querySelector('[data-live]')?.innerText ?? ''")
    )


def test_a_batch_whose_list_has_been_read_can_be_started_without_a_reload(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    batch = make.batch(Workspace.unscoped.create(name="Ours"), status=Batch.Status.VALIDATING)

    log_in(browser, live_server, staff, f"/admin/batches/batch/{batch.pk}/change/")
    before = browser.find_elements(By.NAME, "order")
    Batch.unscoped.filter(pk=batch.pk).update(status="ready")

    assert before == []
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "button[value=start]")
    )


def test_a_batch_moves_on_its_page_and_takes_orders(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    ours = Workspace.unscoped.create(name="Ours")
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    people = [make.recipient(batch) for _ in range(2)]

    log_in(browser, live_server, staff, f"/admin/batches/batch/{batch.pk}/change/")
    before = text_of(browser)
    Recipient.unscoped.filter(pk=people[0].pk).update(status="completed")
    WebDriverWait(browser, PATIENCE).until(lambda driver: "1 of 2 people (50 %)" in text_of(driver))
    browser.find_element(By.CSS_SELECTOR, "button[value=pause]").click()
    WebDriverWait(browser, PATIENCE).until(lambda driver: text_of(driver).startswith("paused"))

    batch.refresh_from_db()
    offered = [
        button.text for button in browser.find_elements(By.CSS_SELECTOR, "button[name=order]")
    ]
    assert "0 of 2 people (0 %)" in before
    assert batch.status == Batch.Status.PAUSED
    assert offered == ["Resume", "Stop for good"]
    assert complaints(browser) == []


def test_the_upload_form_looks_for_the_agent(
    live_server: LiveServer, browser: WebDriver, staff: User
) -> None:
    agent = make.agent(Workspace.unscoped.create(name="Ours"), name="Reception")

    log_in(browser, live_server, staff, "/admin/batches/batch/upload/")
    browser.find_element(By.CSS_SELECTOR, "#id_agent + .select2 .select2-selection").click()
    browser.find_element(By.CSS_SELECTOR, ".select2-search__field").send_keys("recep")
    found = "//li[contains(@class, 'select2-results__option') and text()='Ours: Reception']"
    WebDriverWait(browser, PATIENCE).until(lambda driver: driver.find_elements(By.XPATH, found))
    browser.find_element(By.XPATH, found).click()

    assert browser.find_element(By.ID, "id_agent").get_attribute("value") == str(agent.pk)
    assert complaints(browser) == []


@pytest.mark.parametrize(("page", "sign"), [("/docs", ".opblock-summary"), ("/redoc", "h1")])
def test_the_description_of_the_api_renders(
    live_server: LiveServer, browser: WebDriver, page: str, sign: str
) -> None:
    browser.get(live_server.url + page)

    WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, sign)
    )
    assert "VoiceOps" in browser.find_element(By.TAG_NAME, "body").text
    assert complaints(browser) == []
