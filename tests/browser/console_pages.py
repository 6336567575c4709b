"""Console and control room in Chromium: cookies, schemes and sizes, and which pages there are."""

from typing import Any

from django.conf import settings
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver.chrome.webdriver import WebDriver

from accounts.models import User
from tests import make

DESKTOP, PHONE = (1280, 900), (390, 844)
SCHEMES = ("light", "dark")


def pages_of(rows: dict[str, Any]) -> dict[str, str]:
    """Name and address of every page that pictures are taken of."""

    def page(view: str, **kwargs: Any) -> str:
        return reverse(f"console:{view}", kwargs=kwargs)

    return {
        "overview": page("home"),
        "batches": page("batches"),
        "batch": page("batch", pk=rows["batch"].pk),
        "batch-people": page("batch-people", pk=rows["batch"].pk),
        "refused-rows": page("batch-refused", pk=rows["batch"].pk),
        "new-batch": page("new-batch"),
        "calls": page("calls"),
        "call": page("call", pk=rows["call"].pk),
        "people": page("people") + "?q=0186",
        "person": page("person", number="+12025550186"),
        "callbacks": page("callbacks"),
        "do-not-call": page("do-not-call"),
        "reports": page("reports"),
        "agents": page("agents"),
        "agent": page("agent", pk=rows["agent"].pk),
        "talk": page("talk", pk=rows["agent"].pk),
        "numbers": page("numbers"),
        "number": page("number", pk=rows["number"].pk),
        "buy-number": page("buy-number"),
        "developers": page("developers"),
        "webhook": page("webhook", pk=rows["webhook"].pk),
        "delivery": page("delivery", pk=rows["webhook"].pk, delivery=rows["delivery"].pk),
        "settings": page("settings"),
        "members": page("members"),
        "audit": page("audit"),
        "account": page("account"),
    }


def room_pages_of(rows: dict[str, Any]) -> dict[str, str]:
    """Name and address of every page of the control room that pictures are taken of."""
    waiting = rows["batch"].recipients.filter(status="review").order_by("pk").first()
    return {
        "overview": reverse("admin:index"),
        "batch": reverse("admin:batches_batch_change", args=[rows["batch"].pk]),
        "batches": reverse("admin:batches_batch_changelist"),
        "review": reverse("admin:review"),
        "person": reverse("admin:contact", args=["recipient", waiting.pk]),
        "new-batch": reverse("admin:new_batch", args=[rows["batch"].workspace_id]),
        "calls": reverse("admin:telephony_call_changelist"),
        "call": reverse("admin:telephony_call_change", args=[rows["call"].pk]),
        "agent": reverse("admin:agents_agent_change", args=[rows["agent"].pk]),
        "number": reverse("admin:telephony_phonenumber_change", args=[rows["number"].pk]),
        "register": reverse("admin:telephony_phonenumber_register"),
        "buy": reverse("admin:telephony_phonenumber_buy"),
        "webhook": reverse("admin:webhooks_webhookendpoint_change", args=[rows["webhook"].pk]),
        "workspace": reverse("admin:accounts_workspace_change", args=[rows["batch"].workspace_id]),
        "people": reverse("admin:batches_recipient_changelist"),
        "do-not-call": reverse("admin:batches_suppression_changelist"),
        "audit": reverse("admin:accounts_auditentry_changelist"),
        "history": reverse("admin:batches_batch_history", args=[rows["batch"].pk]),
    }


def enter_room(browser: WebDriver, server: LiveServer, user: User) -> None:
    """Log the member of staff in to the admin, as its login page would."""
    client = Client()
    client.force_login(user)
    browser.delete_all_cookies()
    browser.get(f"{server.url}/admin/login/")
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": value, "path": "/"})


def enter(browser: WebDriver, server: LiveServer, user: User) -> None:
    """Sign the user in, as the sign-in page would."""
    browser.delete_all_cookies()
    browser.get(f"{server.url}/console/forgotten-password")
    browser.add_cookie({"name": "access_token", "value": make.access_token(user), "path": "/"})


def emulate(browser: WebDriver, scheme: str, size: tuple[int, int]) -> None:
    """Choose the colour scheme and the size of the screen."""
    width, height = size
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
