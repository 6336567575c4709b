"""What staff see above a row's form, and the orders that they give there."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook

from accounts.models import AuditEntry, Invitation, Workspace
from agents.models import Agent
from telephony.models import Call, CallEvent, PhoneNumber, Turn
from tests import make
from tests.admin.pages import give, order_url, page_of
from tests.sandbox_server import RunningSandbox
from webhooks.models import WebhookDelivery, WebhookEndpoint


def words_of(html: str) -> str:
    """Return what a page says, without scripts and styles."""
    text = re.sub(r"<(script|style|head)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def register(staff: Client, of: Workspace, **fields: str) -> Any:
    form = {
        "workspace": str(of.pk),
        "phone_number": "+1 202 555 0186",
        "label": "Reception",
        "address": "sip.carrier.example",
        "transport": "tcp",
        "calls_per_second": "2",
        "max_concurrent_calls": "5",
        **fields,
    }
    return staff.post("/admin/telephony/phonenumber/register/", form, follow=True)


def test_a_number_is_registered_routed_tested_and_released(
    staff: Client, ours: Workspace, box: RunningSandbox
) -> None:
    agent = make.agent(ours, name="Night service")

    refused = register(staff, ours, phone_number="12").content.decode()
    page = register(staff, ours, auth_username="ada", auth_password="secret").content.decode()
    number = PhoneNumber.unscoped.get()
    routed = give(staff, number, "answering", agent=str(agent.pk))
    checked = give(staff, number, "check")
    repaired = give(staff, number, "repair")
    called = give(staff, number, "test", to="+1 202 555 0101")
    Call.unscoped.update(stage="ended", ended_at=timezone.now())
    kept = give(staff, number, "release", typed="+1202")
    released = give(staff, number, "release", typed="+12025550186")

    assert "Invalid phone number" in refused
    assert "+12025550186 is registered." in page
    assert (number.label, number.calls_per_second, number.sip_address) == (
        "Reception",
        2.0,
        "sip.carrier.example",
    )
    assert "Night service answers now." in routed
    assert "LiveKit has the number as it should be." in checked
    assert "LiveKit has the number as it should be again." in repaired
    assert "The test call is on its way" in called
    assert "Nothing was released" in kept
    assert "+12025550186 is released." in released
    assert not PhoneNumber.unscoped.exists()
    actions = AuditEntry.unscoped.filter(action__startswith="phone_number.").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "phone_number.created",
        "phone_number.changed",
        "phone_number.repaired",
        "phone_number.tested",
        "phone_number.deleted",
    ]


def test_a_numbers_page_has_a_day_of_its_calls(staff: Client, ours: Workspace) -> None:
    number = make.phone_number(ours)
    at = timezone.now() - timedelta(hours=2)
    for outcome in ("answered", "carrier_error", "carrier_error"):
        make.call(
            ours,
            number=number,
            from_number=number.phone_number,
            stage="ended",
            outcome=outcome,
            dialed_at=at,
        )
    Call.unscoped.update(created_at=at)

    text = staff.get(page_of(PhoneNumber, number)).content.decode()

    assert "3 calls, 2 failed" in words_of(text)
    assert len(re.findall(r'<li class="tone-failed"', text)) == 1


def test_a_number_is_found_and_bought_with_its_price(
    staff: Client, ours: Workspace, box: RunningSandbox
) -> None:
    url = "/admin/telephony/phonenumber/buy/"

    offered = staff.get(url, {"country": "US", "area_code": "415"}).content.decode()
    found = re.findall(r'name="phone_number" value="(\+\d+)"', offered)
    wrong = staff.get(url, {"country": "U5"}).content.decode()
    form = {"workspace": str(ours.pk), "phone_number": found[0], "label": "Bay Area"}
    bought = staff.post(url, form, follow=True).content.decode()

    number = PhoneNumber.unscoped.get()
    assert "a country code of two letters is expected" in wrong
    assert "1.15 USD a month" in words_of(offered)
    assert f"{found[0]} is registered." in bought
    assert (number.phone_number, number.provider_sids["bought"]) == (found[0], True)


def test_a_call_is_displayed_with_tools_where_they_were_used(
    staff: Client, ours: Workspace
) -> None:
    now = timezone.now()
    call = make.call(ours, stage="in_progress", answered_at=now)
    for seconds, text in ((1, "Hello, this is Ada"), (9, "Done")):
        Turn.unscoped.create(
            workspace=ours,
            call=call,
            role="agent",
            text=text,
            started_at=now + timedelta(seconds=seconds),
            external_id=text,
        )
    used = {"type": "tool_call", "text": "The agent used book", "at": now + timedelta(seconds=5)}
    CallEvent.unscoped.create(workspace=ours, call=call, **used)

    page = staff.get(page_of(Call, call)).content.decode()
    live = staff.get(page_of(Call, call).replace("change", "live")).content.decode()

    for html in (page, live):
        said = words_of(html)
        order = [said.index(text) for text in ("Hello, this is", "The agent used book", "Done")]
        assert order == sorted(order)
        assert "+5.0 s" in said
    assert f'hx-get="{page_of(Call, call).replace("change", "live")}"' in page
    assert "Transfer…" in page


def test_a_call_is_hung_up_and_a_wrong_transfer_is_refused_in_words(
    staff: Client, ours: Workspace, box: RunningSandbox
) -> None:
    call = make.call(ours, stage="reserved")

    wrong = give(staff, call, "transfer", to="call me")
    not_up = give(staff, call, "keys", digits="12#")
    ended = give(staff, call, "hangup")

    call.refresh_from_db()
    assert "Invalid phone number" in wrong
    assert "Call is not in progress" in not_up
    assert "The call is ended." in ended
    assert (call.stage, call.outcome) == ("ended", "cancelled")


def test_an_agent_is_published_after_its_changes_were_displayed(
    staff: Client, ours: Workspace
) -> None:
    agent = make.agent(ours, system_prompt="Be kind.\nBe brief.")
    make.phone_number(ours, inbound_agent=agent, phone_number="+12025550123")
    form = {"name": agent.name, "system_prompt": "Be kind.\nBe very brief.", "language": "en-US"}
    changed = staff.post(page_of(Agent, agent), form | DEFAULTS, follow=True).content.decode()

    published = give(staff, agent, "publish")
    again = give(staff, agent, "rollback", version="1")
    unknown = give(staff, agent, "rollback", version="9")

    assert '<span class="removed">-Be brief.</span>' in changed
    assert '<span class="added">+Be very brief.</span>' in changed
    assert "+12025550123" in changed
    assert "Version 2 is published" in published
    assert "Version 1 is published again" in again
    assert "Agent version not found" in unknown
    agent.refresh_from_db()
    assert (agent.published_version, agent.system_prompt) == (1, "Be kind.\nBe brief.")


DEFAULTS = {
    "first_message": "",
    "first_message_mode": "speak",
    "max_call_duration_seconds": "600",
    "silence_timeout_seconds": "30",
    "ringing_timeout_seconds": "30",
    "recording_enabled": "on",
    "voicemail": '{"action": "hang_up"}',
    "variables": "[]",
}


def test_a_secret_in_the_changes_of_a_draft_stays_hidden(staff: Client, ours: Workspace) -> None:
    tool = {"type": "webhook", "name": "book", "url": "https://example.com/"}
    agent = make.agent(ours, tools=[])
    agent.set_draft({**agent.config(), "tools": [{**tool, "headers": {"X-Key": "hush"}}]})
    agent.version = 2
    agent.save()

    page = staff.get(page_of(Agent, agent)).content.decode()

    assert "Draft differs from version 1" in words_of(page)
    assert "X-Key" in page
    assert "hush" not in page


def test_an_agent_is_tried_with_values_for_its_variables(staff: Client, ours: Workspace) -> None:
    variables = [{"name": "first_name", "required": True}]
    agent = make.agent(ours, variables=variables)
    make.phone_number(ours)
    url = f"/admin/telephony/call/trial/{agent.pk}/"

    refused = staff.post(url, {"to": "+1 202 555 0101"}, follow=True).content.decode()
    staff.post(url, {"to": "+1 202 555 0101", "variable-first_name": "Ada"})

    call = Call.unscoped.get()
    assert "Missing required variables: first_name" in refused
    assert (call.to_number, call.variables) == ("+12025550101", {"first_name": "Ada"})
    assert "variable-first_name" in staff.get(page_of(Agent, agent)).content.decode()


def test_a_webhook_is_added_and_its_secret_displayed_once(staff: Client, ours: Workspace) -> None:
    form = {
        "workspace": str(ours.pk),
        "url": "https://crm.example.com/hook",
        "description": "CRM",
        "events": ["call.ended", "batch.completed"],
    }

    made = staff.post(f"{page_of(WebhookEndpoint)}add/", form).content.decode()
    endpoint = WebhookEndpoint.unscoped.get()
    secret = re.findall(r'id="secret">(whsec_[^<]+)<', made)
    rotated = give(staff, endpoint, "rotate")
    page = staff.get(page_of(WebhookEndpoint, endpoint)).content.decode()

    assert endpoint.events == ["call.ended", "batch.completed"]
    assert secret
    assert "whsec_" in rotated
    assert secret[0] not in rotated
    assert "whsec_" not in page


def test_a_webhooks_page_has_its_success_and_sends_again(staff: Client, ours: Workspace) -> None:
    endpoint = make.webhook(ours)
    for _ in range(3):
        make.delivery(endpoint, status="delivered", response_status=200, attempts=1)
    failed = make.delivery(endpoint, status="failed", response_status=503, attempts=5)

    page = words_of(staff.get(page_of(WebhookEndpoint, endpoint)).content.decode())
    again = give(staff, endpoint, "again", delivery=str(failed.pk))
    nothing = give(staff, endpoint, "again", delivery="nonsense")
    off = give(staff, endpoint, "disable")
    refused = give(staff, endpoint, "test")
    on = give(staff, endpoint, "enable")
    tested = give(staff, endpoint, "test")

    assert "Delivered 75 % of the last 4" in page
    assert "Last failure 503" in page
    assert "The event is sent again." in again
    assert WebhookDelivery.unscoped.get(pk=failed.pk).status == "pending"
    assert "Delivery not found" in nothing
    assert "The webhook is off." in off
    assert "Webhook is disabled" in refused
    assert "The webhook is on." in on
    assert "A test event is on its way." in tested
    assert "The webhook is deleted." in give(staff, endpoint, "delete")


@pytest.mark.parametrize("name", ["test", "release", "explode"])
def test_an_order_needs_permission_and_a_form(ours: Workspace, name: str) -> None:
    number, client = make.phone_number(ours), Client()
    client.force_login(make.user(is_staff=True))
    url = order_url(number, name)

    assert [client.get(url).status_code, client.post(url).status_code] == [403, 403]
    assert Invitation.unscoped.count() == 0


def test_the_audit_log_is_in_words_with_the_name_and_page_of_each_object(
    staff: Client, ours: Workspace
) -> None:
    endpoint = make.webhook(ours, url="https://crm.example.com/hook")
    give(staff, endpoint, "disable")

    log = staff.get("/admin/accounts/auditentry/").content.decode()
    history = staff.get(page_of(WebhookEndpoint, endpoint).replace("change", "history"))

    page = page_of(WebhookEndpoint, endpoint)
    assert "Webhook updated" in log
    assert "fields: is enabled" in log or "fields: is_enabled" in log
    assert re.search(rf'<a href="{page}"[^>]*>https://crm.example.com/hook</a>', log)
    assert "Webhook updated" in history.content.decode()


def test_a_list_is_downloaded_under_its_filters_and_masked(
    staff: Client, ours: Workspace, theirs: Workspace
) -> None:
    make.suppression(ours, phone_number="+12025550186", reason="asked")
    make.suppression(theirs, phone_number="+12025550187")

    url, of_ours = "/admin/batches/suppression/export.", {"workspace": str(ours.pk)}

    page = staff.get("/admin/batches/suppression/", of_ours).content.decode()
    answer = staff.get(f"{url}csv", of_ours)

    lines = b"".join(answer).decode("utf-8-sig").splitlines()
    workbook = load_workbook(io.BytesIO(b"".join(staff.get(f"{url}xlsx", of_ours))))
    cells = [list(row) for row in workbook["Suppressions"].iter_rows(values_only=True)]
    assert f"export.csv?workspace={ours.pk}" in page
    assert f"export.xlsx?workspace={ours.pk}" in page
    assert [[cell or "" for cell in row] for row in cells] == list(csv.reader(lines))
    assert lines[0] == "Number,Workspace,Source,Reason,Expires at,Created at"
    assert len(lines) == 2
    assert lines[1].startswith(f"'+1202•••••86,{ours.name},manual,asked,,20")
    entries = AuditEntry.unscoped.filter(action="list.exported_by_staff").order_by("pk")
    assert [entry.changes for entry in entries] == [
        {"list": "suppressions", "filters": ["workspace"], "format": form}
        for form in ("csv", "xlsx")
    ]
