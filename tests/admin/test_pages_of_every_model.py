"""Every table has admin pages that can be listed, searched and opened, and contain no secret."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import (
    AuditEntry,
    ErasedNumber,
    IdempotentRequest,
    PasswordReset,
    RecoveryCode,
    SecondFactor,
    StaffTry,
    User,
    Workspace,
)
from agents.models import Agent
from batches.models import Batch, Recipient, Suppression
from telephony.models import CallEvent, InboxEvent, PhoneNumber, Recording, Turn
from tests import make
from webhooks.models import WebhookCursor

APPS = ("accounts", "agents", "telephony", "batches", "webhooks")
SECRET = "sealed-and-never-shown"
OURS: list[type[models.Model]] = [
    model for model in apps.get_models() if model._meta.app_label in APPS
]


def event(of: Workspace) -> CallEvent:
    fields = {"type": "answered", "text": "The callee answered", "at": timezone.now()}
    return CallEvent.unscoped.create(workspace=of, call=make.call(of), **fields)


def turn(of: Workspace) -> Turn:
    fields = {"role": "user", "text": "Hello", "started_at": timezone.now(), "external_id": "t1"}
    return Turn.unscoped.create(workspace=of, call=make.call(of), **fields)


def recording(of: Workspace) -> Recording:
    return Recording.unscoped.create(
        workspace=of, call=make.call(of), storage_key="recordings/a/b.ogg"
    )


def inbox_event(of: Workspace) -> InboxEvent:
    fields = {
        "event": "room_started",
        "room": f"vo-{of.pk}",
        "body": {},
        "received_at": timezone.now(),
    }
    return InboxEvent.objects.create(event_id=f"EV_{of.pk}", **fields)


def password_reset(of: Workspace) -> PasswordReset:
    expires_at = timezone.now() + timedelta(hours=1)
    return PasswordReset.objects.create(
        user=make.member(of), token_hash=f"{SECRET}{of.pk}", expires_at=expires_at
    )


def idempotent_request(of: Workspace) -> IdempotentRequest:
    return IdempotentRequest.objects.create(
        scope=f"key:{of.pk}", key="k", fingerprint="f", answer=SECRET
    )


def second_factor(of: Workspace) -> SecondFactor:
    return SecondFactor.objects.create(user=make.member(of), secret=f"{SECRET}{of.pk}")


def recovery_code(of: Workspace) -> RecoveryCode:
    return RecoveryCode.objects.create(factor=second_factor(of), code_hash=f"{SECRET}{of.pk}")


MAKERS: dict[str, Callable[[Workspace], Any]] = {
    "workspace": lambda of: of,
    "user": make.member,
    "membership": make.membership,
    "session": lambda of: make.session(make.member(of)),
    "apikey": lambda of: make.api_key(of, key_hash=SECRET)[0],
    "invitation": lambda of: make.invitation(of, token_hash=f"{SECRET}{of.pk}"),
    "passwordreset": password_reset,
    "secondfactor": second_factor,
    "recoverycode": recovery_code,
    "stafftry": lambda of: StaffTry.objects.create(
        scope=f"{SECRET}{of.pk}", began_at=timezone.now()
    ),
    "auditentry": make.audit_entry,
    "erasednumber": lambda of: ErasedNumber.unscoped.create(
        workspace=of, digest=SECRET, key=SECRET
    ),
    "idempotentrequest": idempotent_request,
    "agent": make.agent,
    "agentversion": lambda of: make.agent(of).versions.get(),
    "phonenumber": lambda of: make.phone_number(of, sip_auth_password=SECRET),
    "numberpace": lambda of: make.phone_number(of).pace,
    "siptrunk": lambda of: make.sip_trunk(of, auth_password=SECRET),
    "call": make.call,
    "callevent": event,
    "turn": turn,
    "recording": recording,
    "inboxevent": inbox_event,
    "batch": make.batch,
    "recipient": lambda of: make.recipient(make.batch(of)),
    "rejectedrow": lambda of: make.rejected_row(make.batch(of)),
    "savedmapping": make.saved_mapping,
    "suppression": make.suppression,
    "webhookendpoint": lambda of: make.webhook(of, previous_secret=SECRET),
    "webhookevent": lambda of: make.delivery(make.webhook(of)).event,
    "webhookdelivery": lambda of: make.delivery(make.webhook(of)),
    "webhookcursor": lambda of: WebhookCursor.objects.create(
        name=of.pk.hex[-20:], position=timezone.now()
    ),
}
EVERY = pytest.mark.parametrize("model", OURS, ids=[model.__name__ for model in OURS])
HISTORY = (
    "AgentVersion",
    "AuditEntry",
    "Call",
    "CallEvent",
    "InboxEvent",
    "Recording",
    "RejectedRow",
    "Turn",
)


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(make.user(is_staff=True, is_superuser=True))
    client.get(
        "/admin/"
    )  # from here on the session is known to be alive, and is not written by every request
    return client


def made(model: type[models.Model], of: Workspace) -> Any:
    return MAKERS[str(model._meta.model_name)](of)


def page_of(model: type[models.Model], row: Any = None) -> str:
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    return f"{base}{row.pk}/change/" if row is not None else base


def order(staff: Client, model: type[models.Model], action: str, *rows: Any) -> str:
    """Apply an action to the rows and return the page that follows."""
    chosen = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return staff.post(page_of(model), chosen, follow=True).content.decode()


def form_of(html: str) -> dict[str, str]:
    """Return the values a browser would send from a change page, JSON and texts included."""
    found = dict(re.findall(r'<input[^>]*?name="([^"_][^"]*)"[^>]*?value="([^"]*)"', html))
    texts = re.findall(r'<textarea[^>]*?name="([^"]+)"[^>]*>\n?(.*?)</textarea>', html, re.DOTALL)
    return {name: value.replace("&quot;", '"') for name, value in (*found.items(), *texts)}


@EVERY
def test_every_table_can_be_listed_searched_and_opened(
    staff: Client, ours: Workspace, model: type
) -> None:
    row = made(model, ours)

    pages = [
        staff.get(page_of(model)),
        staff.get(page_of(model), {"q": "x"}),
        staff.get(page_of(model), {"q": str(row.pk)}),
        staff.get(page_of(model, row)),
    ]

    assert [page.status_code for page in pages] == [200] * 4
    assert str(row.pk) in pages[0].content.decode()
    assert str(row.pk) in pages[2].content.decode()
    assert admin.site._registry[model].search_fields


@EVERY
def test_an_add_page_exists_where_staff_may_add(
    staff: Client, ours: Workspace, model: type
) -> None:
    response = staff.get(f"{page_of(model)}add/")

    addable = ("Workspace", "Membership", "Agent", "Suppression")
    assert response.status_code == (200 if model.__name__ in addable else 403)


@EVERY
def test_no_page_contains_a_secret(staff: Client, ours: Workspace, model: type) -> None:
    row = made(model, ours)

    text = "".join(staff.get(url).content.decode() for url in (page_of(model), page_of(model, row)))

    assert SECRET not in text
    assert str(row.pk) in text


@EVERY
def test_a_list_needs_the_same_queries_for_any_number_of_rows(staff: Client, model: type) -> None:
    made(model, make.workspace())
    with CaptureQueriesContext(connection) as alone:
        staff.get(page_of(model))
    for _ in range(3):
        made(model, make.workspace())

    with CaptureQueriesContext(connection) as together:
        response = staff.get(page_of(model))

    assert response.status_code == 200
    assert len(together) == len(alone)


@pytest.mark.parametrize("name", HISTORY)
def test_history_cannot_be_edited(staff: Client, ours: Workspace, name: str) -> None:
    model = next(model for model in OURS if model.__name__ == name)
    row = made(model, ours)

    answers = [
        staff.get(f"{page_of(model)}add/"),
        staff.post(page_of(model, row), {}),
        staff.post(f"{page_of(model)}{row.pk}/delete/", {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", [Recipient, Suppression])
def test_numbers_are_masked_in_lists_and_opening_a_row_is_audited(
    staff: Client, ours: Workspace, model: type[models.Model]
) -> None:
    row = made(model, ours)

    listed, opened = (
        staff.get(page_of(model)).content.decode(),
        staff.get(page_of(model, row)).content.decode(),
    )

    name = model._meta.model_name
    assert (row.phone_number in listed, row.phone_number in opened) == (False, True)
    assert f"{row.phone_number[:5]}•••••{row.phone_number[-2:]}" in listed
    assert AuditEntry.unscoped.get(action=f"{name}.viewed_by_staff").object_id == str(row.pk)


def test_editing_a_published_agent_starts_a_new_version(staff: Client, ours: Workspace) -> None:
    agent = make.agent(ours)
    form = form_of(staff.get(page_of(Agent, agent)).content.decode())

    staff.post(
        page_of(Agent, agent),
        {**form, "name": "Night shift", "tools": '[{"type": "dtmf", "name": "keys"}]'},
    )

    agent.refresh_from_db()
    assert (agent.name, agent.tools) == ("Night shift", [{"type": "dtmf", "name": "keys"}])
    assert (agent.version, agent.published_version, agent.system_prompt) == (2, 1, "Be kind.")
    assert AuditEntry.unscoped.get(action="agent.updated").changes["fields"] == [
        "name",
        "recording_enabled",
        "tools",
    ]


@pytest.mark.parametrize("state", ["draft", "changed", "published", "deleted"])
def test_agents_are_filtered_by_state(staff: Client, ours: Workspace, state: str) -> None:
    rows = {
        "draft": make.agent(ours, published=False),
        "changed": make.agent(ours, version=2, published_version=1, published=False),
        "published": make.agent(ours),
        "deleted": make.agent(ours, deleted_at=timezone.now()),
    }

    text = staff.get(page_of(Agent), {"state": state}).content.decode()

    assert [name for name, agent in rows.items() if str(agent.pk) in text] == [state]


def test_staff_cannot_store_what_the_api_would_refuse(staff: Client, ours: Workspace) -> None:
    agent = make.agent(ours)
    form = form_of(staff.get(page_of(Agent, agent)).content.decode())

    page = staff.post(page_of(Agent, agent), {**form, "tools": '[{"type": "fax", "name": "x"}]'})

    agent.refresh_from_db()
    assert "0.type: value is not a valid enumeration member" in page.content.decode()
    assert agent.tools == []


def test_staff_add_publish_and_delete_an_agent(staff: Client, ours: Workspace) -> None:
    form = form_of(staff.get(f"{page_of(Agent)}add/").content.decode())
    values = {"workspace": str(ours.pk), "name": "New", "system_prompt": "Be brief."}

    staff.post(f"{page_of(Agent)}add/", {**form, **values})
    agent = Agent.unscoped.get()
    pages = [order(staff, Agent, action, agent) for action in ("publish", "delete_keeping_history")]

    agent.refresh_from_db()
    assert (agent.name, agent.workspace, agent.published_version) == ("New", ours, 1)
    assert agent.deleted_at is not None
    assert ["Done: 1." in text for text in pages] == [True, True]


def test_staff_control_a_batch_and_see_refusals(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)

    steps = []
    for action in (
        "pause_batches",
        "start_batches",
        "pause_batches",
        "resume_batches",
        "stop_batches",
    ):
        text = order(staff, Batch, action, batch)
        batch.refresh_from_db()
        steps.append((batch.status, "Batch is not running" in text, "Done: 1." in text))

    assert steps == [
        ("ready", True, False),
        ("running", False, True),
        ("paused", False, True),
        ("running", False, True),
        ("stopped", False, True),
    ]
    assert AuditEntry.unscoped.get(action="batch.stopped").actor_name == User.objects.get().email


def test_a_batch_list_has_the_progress(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    for status in ("completed", "failed", "pending"):
        make.recipient(batch, status=status)

    text = staff.get(page_of(Batch)).content.decode()

    assert "2 of 3 (66 %)" in text
    assert "pending 1, completed 1, failed 1" in text


def test_staff_change_the_pace_of_a_batch(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    form = form_of(staff.get(page_of(Batch, batch)).content.decode())

    staff.post(page_of(Batch, batch), {**form, "calls_per_second": "2.5"})
    refused = staff.post(page_of(Batch, batch), {**form, "calls_per_second": "0"})

    batch.refresh_from_db()
    assert batch.calls_per_second == 2.5
    assert "ensure this value is greater than or equal to 0.01" in refused.content.decode()


def test_staff_change_the_limits_of_a_number(staff: Client, ours: Workspace) -> None:
    number = make.phone_number(ours, sip_auth_password=SECRET)
    form = form_of(staff.get(page_of(PhoneNumber, number)).content.decode())

    staff.post(page_of(PhoneNumber, number), {**form, "calls_per_second": "4"})

    number.refresh_from_db()
    assert (number.calls_per_second, number.sip_auth_password) == (4, SECRET)
    assert AuditEntry.unscoped.get(action="phonenumber.changed_by_staff").changes == {
        "fields": ["calls_per_second"]
    }


def test_staff_suppress_a_number_in_any_spelling_once(staff: Client, ours: Workspace) -> None:
    values = {
        "workspace": str(ours.pk),
        "phone_number": "+1 2025550186",
        "reason": "asked",
        "proof": "",
    }

    staff.post(f"{page_of(Suppression)}add/", values)
    again = staff.post(f"{page_of(Suppression)}add/", values, follow=True)

    row = ours.suppressions.get()
    assert (row.phone_number, row.reason, row.source) == ("+12025550186", "asked", "manual")
    assert again.status_code == 200
    assert AuditEntry.unscoped.get(action="suppression.added").object_id == str(row.pk)


def test_staff_without_superuser_need_permissions(ours: Workspace) -> None:
    batch = make.batch(ours)
    client = Client()
    client.force_login(make.user(is_staff=True))

    answers = [client.get(page_of(Batch)), client.post(page_of(Batch), {"action": "start_batches"})]

    batch.refresh_from_db()
    assert [answer.status_code for answer in answers] == [403, 403]
    assert batch.status == "ready"
