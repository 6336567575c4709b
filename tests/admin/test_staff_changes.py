"""What staff change in the admin goes through the services of the API."""

import re

from django.core.mail import EmailMessage
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import AuditEntry, User, Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from agents.models import Agent
from batches.models import Batch, Suppression
from telephony.models import PhoneNumber
from tests import make
from tests.admin.pages import form_of, give, order, page_of
from tests.admin.rows import SECRET


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
        text = order(staff, Batch, action, batch, confirmed="yes")
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


def test_several_batches_are_stopped_after_a_question(staff: Client, ours: Workspace) -> None:
    batches = [make.batch(ours), make.batch(ours)]
    make.recipient(batches[0])

    asked = order(staff, Batch, "stop_batches", *batches)
    before = [batch.status for batch in ours.batches.all()]
    order(staff, Batch, "stop_batches", *batches, confirmed="yes")

    assert "<strong>1</strong> of 1 people of Reminders still wait" in " ".join(asked.split())
    assert "Stop 2 batches" in asked
    assert before == ["ready", "ready"]
    assert [batch.status for batch in ours.batches.all()] == ["stopped", "stopped"]


def test_a_stop_hangs_up_where_staff_say_so(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours, status="running")
    make.recipient(batch)

    give(staff, batch, "stop", hang_up_active="1")

    entry = AuditEntry.unscoped.get(action="batch.stopped")
    assert entry.changes == {"hang_up_active": True}


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


def test_a_colleague_is_invited_by_mail(
    staff: Client, ours: Workspace, mailoutbox: list[EmailMessage]
) -> None:
    url = "/admin/accounts/invitation/add/"
    form = {"workspace": str(ours.pk), "email": "Grace@Example.com", "role": "20"}

    staff.post(url, form)
    email_delivery.wait_until_sent()
    again = staff.post(url, form, follow=True).content.decode()

    invitation = ours.invitations.get()
    assert (invitation.email, Role(invitation.role)) == ("grace@example.com", Role.MANAGER)
    assert [mail.to for mail in mailoutbox] == [["grace@example.com"]]
    assert "Already invited" in again


def test_a_key_is_made_and_displayed_once(staff: Client, ours: Workspace) -> None:
    form = {"workspace": str(ours.pk), "name": "CRM", "role": "10"}

    made = staff.post("/admin/accounts/apikey/add/", form).content.decode()
    listed = staff.get("/admin/accounts/apikey/").content.decode()

    key = ours.api_keys.get()
    [secret] = re.findall(r'id="secret">([^<]+)<', made)
    assert secret.startswith(key.prefix)
    assert secret not in listed
    assert APIClient(headers={"X-API-Key": secret}).get("/agents").status_code == 200
