"""Agents, numbers, developers and settings."""

from django.utils import timezone

from accounts.auth import second_factor
from accounts.models import ApiKey, Invitation, Membership, Workspace
from accounts.roles import Role
from agents.models import Agent
from telephony.models import Call, PhoneNumber, Turn
from tests import make
from tests.admin.pages import html_of
from tests.console.browsers import reader, text_of
from webhooks.models import WebhookDelivery, WebhookEndpoint


def test_agent_is_drafted_changed_and_published(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))

    made = browser.post("/console/agents", {"name": "Reception", "system_prompt": "Be kind."})
    browser.post(made["Location"], {"system_prompt": "Be very kind."})
    page = browser.get(made["Location"])
    browser.post(made["Location"] + "/order/publish")
    published = browser.get(made["Location"])

    assert "Never published" in text_of(page)
    assert "Version" in text_of(published)
    assert Agent.unscoped.get().published_version is not None


def test_agent_is_duplicated_as_a_draft(ours: Workspace) -> None:
    agent = make.agent(ours, name="Reception")
    browser = reader(make.member(ours, Role.MANAGER))
    path = f"/console/agents/{agent.pk}/order/duplicate"

    page = browser.post(path, follow=True)

    copy = Agent.unscoped.exclude(pk=agent.pk).get()
    assert (copy.name, copy.published_version) == ("Reception (copy)", None)
    assert page.request["PATH_INFO"] == f"/console/agents/{copy.pk}"
    assert "This is the copy. It talks on calls once it is published." in text_of(page)
    assert f'action="{path}"' in browser.get(f"/console/agents/{agent.pk}").content.decode()


def test_publishing_displays_what_changes(ours: Workspace) -> None:
    agent = make.agent(ours)
    browser = reader(make.member(ours, Role.MANAGER))

    browser.post(f"/console/agents/{agent.pk}", {"system_prompt": "Be brief."})
    page = text_of(browser.get(f"/console/agents/{agent.pk}"))

    assert "System prompt Before Be kind. After Be brief." in page


def test_a_draft_that_differs_in_any_setting_can_be_published(ours: Workspace) -> None:
    agent = make.agent(ours)
    Agent.unscoped.filter(pk=agent.pk).update(silence={"reminders": 2})

    page = reader(make.member(ours, Role.MANAGER)).get(f"/console/agents/{agent.pk}")

    assert "Silence Before \N{EN DASH} After Reminders: 2" in text_of(page)
    assert " disabled" not in page.content.decode()


def test_published_agent_calls_a_phone_to_be_heard(ours: Workspace) -> None:
    agent = make.agent(ours, variables=[{"name": "first_name", "required": True}])
    make.phone_number(ours)
    browser = reader(make.member(ours, Role.MANAGER))
    path = f"/console/agents/{agent.pk}"
    form = {"to": "+1 202 555 0186", "variable-first_name": "Ada"}

    page = html_of(browser.get(path))
    called = browser.post(f"{path}/order/call", form)
    refused = browser.post(f"{path}/order/call", {"to": "+1 202 555 0186"})

    call = Call.unscoped.get()
    assert 'name="variable-first_name"' in page
    assert called["Location"] == f"/console/calls/{call.pk}"
    assert (call.to_number, call.variables) == ("+12025550186", {"first_name": "Ada"})
    assert "first name" in text_of(browser.get(refused["Location"]))


def test_number_is_changed_by_admins(ours: Workspace) -> None:
    number = make.phone_number(ours)
    agent = make.agent(ours)
    browser = reader(make.member(ours, Role.ADMIN))
    url = f"/console/numbers/{number.pk}"

    browser.post(url, {"label": "Front desk", "inbound_agent_id": "", "calls_per_second": "2.5"})
    refused = browser.post(url, {"label": "x", "calls_per_second": "0"})

    row = PhoneNumber.unscoped.get()
    assert (row.label, row.calls_per_second) == ("Front desk", 2.5)
    assert "Calls per second:" in text_of(browser.get(refused["Location"]))
    assert agent.name in text_of(browser.get(url))


def test_key_is_displayed_once(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.ADMIN))

    made = text_of(browser.post("/console/developers", {"name": "CRM", "role": "member"}))
    later = text_of(browser.get("/console/developers"))
    browser.post(f"/console/developers/keys/{ApiKey.unscoped.get().pk}")

    assert "This key is displayed once." in made
    assert "vo_" in made
    assert "displayed once" not in later
    assert ApiKey.unscoped.get().revoked_at is not None


def test_webhook_is_added_tested_and_its_delivery_sent_again(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.ADMIN))
    form = {"kind": "webhook", "url": "https://example.com/hook", "events": ["call.ended"]}

    made = text_of(browser.post("/console/developers", form))
    endpoint = WebhookEndpoint.unscoped.get()
    page = f"/console/developers/webhooks/{endpoint.pk}"
    browser.post(f"{page}/order/test")
    delivery = WebhookDelivery.unscoped.get()
    WebhookDelivery.unscoped.update(status="failed")
    opened = text_of(browser.get(f"{page}/deliveries/{delivery.pk}"))
    again = browser.post(f"{page}/deliveries/{delivery.pk}")

    assert "This secret is displayed once." in made
    assert endpoint.events == ["call.ended"]
    assert "Test event" in opened
    assert "The event is sent again." in text_of(browser.get(again["Location"]))
    delivery.refresh_from_db()
    assert delivery.status == "pending"


def test_a_member_that_does_not_exist_is_refused_in_words(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.ADMIN))

    refused = browser.post("/console/settings/members", {"member": "nonsense", "remove": ""})

    assert (refused.status_code, "Member not found" in text_of(refused)) == (422, True)


def test_members_are_invited_changed_and_removed(ours: Workspace) -> None:
    admin, other = make.member(ours, Role.ADMIN), make.member(ours)
    browser = reader(admin)
    page = "/console/settings/members"

    browser.post(page, {"email": "grace@example.com", "role": "manager"})
    invitation = Invitation.unscoped.get()
    browser.post(page, {"member": str(other.pk), "role": "manager"})
    role = Membership.unscoped.get(user=other).role
    browser.post(page, {"member": str(other.pk), "remove": "1"})
    browser.post(page, {"invitation": str(invitation.pk)})
    refused = browser.post(page, {"member": str(admin.pk), "remove": "1"})

    assert invitation.email == "grace@example.com"
    assert role == Role.MANAGER
    assert not Membership.unscoped.filter(user=other).exists()
    assert not Invitation.unscoped.exists()
    assert "Workspace must keep an admin." in text_of(refused)


def test_settings_are_saved_with_a_window_of_days_and_hours(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.ADMIN))
    form = {
        "name": "Ours",
        "timezone": "Europe/Berlin",
        "window": "simple",
        "days": ["1", "2"],
        "window_start": "09:00",
        "window_end": "17:00",
        "max_calls_per_day": "500",
        "min_gap_minutes": "60",
        "max_cost_per_day": "12.5",
        "publish_requires": "smoke, legal",
    }

    browser.post("/console/settings", form)
    refused = browser.post("/console/settings", {**form, "max_calls_per_day": "-1"})
    ours.refresh_from_db()

    assert (ours.timezone, ours.max_calls_per_day) == ("Europe/Berlin", 500)
    assert (ours.max_cost_per_day, ours.publish_requires) == (12.5, ["smoke", "legal"])
    assert 'value="12.5"' in html_of(browser.get("/console/settings"))
    assert ours.calling_window == {
        "timezone": "recipient",
        "spans": [{"days": [1, 2], "start": "09:00", "end": "17:00"}],
    }
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.content.decode()


def test_window_is_closed_on_holidays_and_on_days_of_ones_own(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.ADMIN))
    form = {
        "name": "Ours",
        "timezone": "UTC",
        "window": "simple",
        "days": ["1"],
        "window_start": "09:00",
        "window_end": "17:00",
        "holidays": "DE",
        "closed_dates": "2027-12-24, 2027-12-31",
    }

    browser.post("/console/settings", form)
    page = html_of(browser.get("/console/settings", headers={"Accept-Language": "fr"}))
    refused = browser.post("/console/settings", {**form, "closed_dates": "Christmas"})
    ours.refresh_from_db()

    assert ours.calling_window == {
        "timezone": "recipient",
        "spans": [{"days": [1], "start": "09:00", "end": "17:00"}],
        "closed_dates": ["2027-12-24", "2027-12-31"],
        "holidays": "DE",
    }
    assert '<option value="DE" selected>Allemagne</option>' in page
    assert 'value="2027-12-24, 2027-12-31"' in page
    assert refused.status_code == 422


def test_audit_log_is_in_words(ours: Workspace) -> None:
    batch = make.batch(ours)
    target = {"object_type": "batch", "object_id": str(batch.pk)}
    changes = {"calls_per_second": 2, "inbound_agent_id": str(batch.pk), "fields": ["max_cost"]}
    make.audit_entry(ours, action="batch.started", **target, changes=changes)
    browser = reader(make.member(ours, Role.ADMIN))

    page = browser.get("/console/settings/audit")
    german = browser.get("/console/settings/audit", headers={"Accept-Language": "de"})
    chosen = [
        text_of(browser.get(f"/console/settings/audit?action={action}"))
        for action in ("batch.started", "batch.stopped")
    ]

    assert "VoiceOps itself Batch started" in text_of(page)
    assert f'<a href="/console/batches/{batch.pk}">Batch started</a>' in page.content.decode()
    # In no order that every database keeps; an id would mean nothing to the reader.
    for part in ("Calls per second: 2", "Fields: max cost", "Inbound agent id"):
        assert part in text_of(page)
    assert str(batch.pk) not in text_of(page)
    assert "VoiceOps selbst Kampagne gestartet" in text_of(german)
    assert ["Nothing fits." in text for text in chosen] == [False, True]


def test_reader_sets_up_a_second_factor_and_removes_it(ours: Workspace) -> None:
    user = make.member(ours)
    browser = reader(user)
    page = "/console/account/second-factor"

    picture = browser.get(page)
    app = second_factor._totp(second_factor.get_or_begin_setup(user))
    step = int(timezone.now().timestamp()) // 30
    wrong = browser.post(page, {"code": "000000"})
    on = browser.post(page, {"code": app.generate((step - 1) * 30).decode()})
    off = browser.post(page, {"code": app.generate(step * 30).decode()})

    assert "<svg" in picture.content.decode()
    assert "This code is wrong" in text_of(wrong)
    assert "recovery codes" in text_of(on)
    assert off["Location"] == "/console/account"
    assert second_factor.find_confirmed(user) is None


def test_reader_changes_name_and_password(ours: Workspace) -> None:
    user = make.member(ours)
    browser = reader(user)

    browser.post("/console/account", {"name": "Ada"})
    refused = browser.post(
        "/console/account", {"current_password": "wrong", "password": "another long sentence"}
    )
    browser.post(
        "/console/account",
        {"current_password": make.PASSWORD, "password": "another long sentence"},
    )
    user.refresh_from_db()

    assert user.name == "Ada"
    assert "Invalid current password." in text_of(refused)
    assert user.check_password("another long sentence")


def test_a_draft_is_rehearsed_on_its_page(ours: Workspace) -> None:
    agent = make.agent(ours, published=False)
    make.scripts(agent)
    browser = reader(make.member(ours, Role.MANAGER))
    page = f"/console/agents/{agent.pk}"
    Workspace.unscoped.filter(pk=ours.pk).update(publish_requires=["smoke"])

    refused = browser.post(f"{page}/order/publish")
    browser.post(f"{page}/order/rehearse")
    agent.rehearsals.update(
        status="failed",
        results=[
            {
                "name": "greets",
                "tags": ["smoke"],
                "passed": False,
                "failures": ["the agent used end_call"],
                "end_reason": "agent_hangup",
                "seconds": 2.5,
                "turns": [{"role": "agent", "text": "Goodbye"}],
                "tools": [],
                "heard": [],
            }
        ],
    )
    text = text_of(browser.get(page))

    assert refused["Location"] == page
    assert "Rehearse the draft first: this workspace publishes what has passed." in text
    assert "The draft is being rehearsed." in text
    assert "greets Failed The agent used end call." in text
    assert "Agent Goodbye" in text


def test_a_call_is_replayed_with_the_draft_and_both_are_side_by_side(ours: Workspace) -> None:
    agent = make.agent(ours)
    at = timezone.now()
    call = make.call(ours, agent=agent, stage="ended", dialed_at=at, ended_at=at)
    words = "Call me at +12025550143"
    turn = {"role": "callee", "text": words, "started_at": at, "external_id": "1"}
    Turn.unscoped.create(workspace=ours, call=call, **turn)
    browser = reader(make.member(ours, Role.MANAGER))
    page = f"/console/agents/{agent.pk}"

    offered = text_of(browser.get(f"/console/calls/{call.pk}"))
    browser.post(f"{page}/order/replay", {"call": str(call.pk)})
    ordered = agent.rehearsals.get().replay
    exchange = {
        "callee": {"says": words, "digits": None, "silence": None, "hangs_up": False},
        "then": {"says": ["Pardon?"], "tools": []},
        "now": {"says": ["I will."], "tools": [{"name": "note", "arguments": {"what": "call"}}]},
        "different": True,
    }
    silence = {"says": None, "digits": None, "silence": 7.0, "hangs_up": False}
    nothing: dict[str, list[str]] = {"says": [], "tools": []}
    quiet = {"callee": silence, "then": nothing, "now": nothing, "different": False}
    then = {"agent_version": 1, "end_reason": "callee_hangup", "turns": [], "tools": []}
    replay = {"call_id": str(call.pk), "then": then, "differences": ["words", "tools"]}
    result = {
        "name": str(call.pk),
        "tags": [],
        "passed": True,
        "failures": [],
        "end_reason": "agent_hangup",
        "seconds": 0.1,
        "turns": [],
        "tools": [],
        "heard": [],
        "replay": {**replay, "exchanges": [exchange, quiet]},
    }
    agent.rehearsals.update(status="passed", results=[result])
    text = text_of(browser.get(page))

    assert "Replay with the agent's draft" in offered
    assert ordered == [str(call.pk)]
    assert "The draft answers differently. Callee On the call With the draft" in text
    assert "Pardon? I will. Note · What: call 7 s of silence" in text
    assert "Ended as Callee hangup Agent hangup" in text
    assert "Call me at" in text
    assert "Rehearse the draft" not in text  # it has no scripts
