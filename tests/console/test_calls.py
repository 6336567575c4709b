from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Suppression
from telephony.models import Call
from telephony.models.events import Turn
from tests import make
from tests.console.browsers import reader, text_of


def ended_call(ours: Workspace, **fields: object) -> Call:
    now = timezone.now()
    values = {
        "stage": "ended",
        "outcome": "answered",
        "dialed_at": now - timedelta(seconds=70),
        "answered_at": now - timedelta(seconds=60),
        "ended_at": now - timedelta(seconds=10),
        **fields,
    }
    return make.call(ours, **values)


def speak(call: Call, text: str, *, second: int, role: str = "agent") -> None:
    assert call.answered_at is not None
    Turn.unscoped.create(
        workspace=call.workspace,
        call=call,
        role=role,
        text=text,
        started_at=call.answered_at + timedelta(seconds=second),
        interrupted=False,
        external_id=f"turn-{second}",
    )


def test_call_has_transcript_timeline_and_length(ours: Workspace) -> None:
    call = ended_call(ours)
    speak(call, "Hello, this is the clinic.", second=1)
    speak(call, "Call me at +12025550199.", second=4, role="user")
    browser = reader(make.member(ours, Role.MANAGER))

    text = text_of(browser.get(f"/console/calls/{call.pk}"))

    assert "Call to +12025550186" in text
    assert "Answered 0:50" in text
    assert "+1.0 s Agent Hello, this is the clinic." in text
    assert "Call me at +12025550199." in text


def test_members_see_no_number_and_no_recording(ours: Workspace) -> None:
    call = ended_call(ours, has_recording=True)
    speak(call, "Call me at +12025550199.", second=4)
    pages = [
        reader(make.member(ours, role)).get(f"/console/calls/{call.pk}")
        for role in (Role.MEMBER, Role.MANAGER)
    ]

    assert "+12025550186" not in pages[0].content.decode()
    assert "+12025550199" not in pages[0].content.decode()
    assert [b"<audio" in page.content for page in pages] == [False, True]
    assert [b"data-seek" in page.content for page in pages] == [False, True]


def test_members_see_numbers_and_recordings_where_the_workspace_says_so(ours: Workspace) -> None:
    call = ended_call(ours, has_recording=True)
    batch = make.batch(ours)
    recipient = make.recipient(batch)
    member, admin = (reader(make.member(ours, role)) for role in (Role.MEMBER, Role.ADMIN))
    paths = [
        f"/console/calls/{call.pk}/recording",
        "/console/calls/file/calls.csv",
        f"/console/batches/{batch.pk}/file/results.csv",
        f"/console/people/{recipient.phone_number}",
    ]

    before = [member.get(path).status_code for path in paths]
    saved = admin.post("/console/settings", {"name": "Ours", "members": "full"})
    page = member.get(f"/console/calls/{call.pk}").content.decode()
    after = [member.get(path).status_code for path in paths]
    admin.post("/console/settings", {"name": "Ours", "members": "masked"})
    later = [member.get(path).status_code for path in paths]

    assert saved["Location"] == "/console/settings"
    assert before == later == [403] * 4
    assert after == [404, 200, 200, 200]  # no file of the recording here
    assert "+12025550186" in page
    assert "<audio" in page
    entries = ours.audit_entries.filter(action="workspace.updated").order_by("pk")
    changes = [entry.changes for entry in entries if "members_see_numbers" in entry.changes]
    assert changes == [{"members_see_numbers": True}, {"members_see_numbers": False}]


def test_api_shows_members_the_same_whatever_the_console_does(ours: Workspace) -> None:
    call = make.call(ours)
    browser = reader(make.member(ours))

    before = browser.get(f"/calls/{call.pk}").json()
    Workspace.unscoped.update(members_see_numbers=True)
    after = browser.get(f"/calls/{call.pk}").json()

    assert before == after
    assert before["to"] == "+12025550186"


def test_running_call_refreshes_itself_and_can_be_hung_up(ours: Workspace) -> None:
    call = make.call(ours)
    browser = reader(make.member(ours, Role.MANAGER))

    page = browser.get(f"/console/calls/{call.pk}")
    browser.post(f"/console/calls/{call.pk}/order/hangup")
    later = browser.get(f"/console/calls/{call.pk}?part=1")

    assert 'hx-trigger="every 2s"' in page.content.decode()
    assert "Cancelled" in text_of(later)
    assert "Hang up" not in text_of(later)


def test_call_that_cannot_be_transferred_says_why(ours: Workspace) -> None:
    talking = make.call(ours, stage="in_progress", answered_at=timezone.now())
    ringing = make.call(ours, stage="ringing")
    browser = reader(make.member(ours, Role.MANAGER))
    path = f"/console/calls/{ringing.pk}"

    offered = [
        "transfer-dialog" in browser.get(f"/console/calls/{call.pk}").content.decode()
        for call in (talking, ringing)
    ]
    browser.post(f"{path}/order/transfer", {"to": "reception"})
    browser.post(f"{path}/order/transfer", {"to": "+1 202 555 0187"})
    page = text_of(browser.get(path))

    assert offered == [True, False]
    assert "nvalid phone number" in page
    assert "Call is not in progress." in page


def test_disposition_is_set_in_words(ours: Workspace) -> None:
    agent = make.agent(ours, dispositions=[{"name": "not_home", "label": "Not at home"}])
    call = ended_call(ours, agent=agent)
    browser = reader(make.member(ours, Role.MANAGER))

    page = browser.get(f"/console/calls/{call.pk}")
    browser.post(f"/console/calls/{call.pk}/order/disposition", {"name": "not_home"})
    refused = browser.post(f"/console/calls/{call.pk}/order/disposition", {"name": "nonsense"})

    assert "Not at home" in text_of(page)
    assert Call.unscoped.get().disposition == "not_home"
    assert "no disposition 'nonsense'" in text_of(browser.get(refused["Location"]))


# Each as people write it: with its country and without, and its last digits.
SPELLINGS = {
    "+12025550186": (
        *("+12025550186", "+1 202 555 0186", "+1 (202) 555-0186", "001 202 555 0186"),
        *("12025550186", "1-202-555-0186", "2025550186", "(202) 555-0186", "202.555.0186", "0186"),
    ),
    "+493031250123": (
        *("+493031250123", "+49 30 31250123", "+49 (0)30 31250123", "0049 30 3125 0123"),
        *("493031250123", "030 31250123", "030/31250123", "(030) 3125-0123", "03031250123", "0123"),
    ),
    "+442079460018": (
        *("+442079460018", "+44 20 7946 0018", "+44 (0)20 7946 0018", "0044 20 7946 0018"),
        *("442079460018", "020 7946 0018", "(020) 7946 0018", "02079460018", "020-7946-0018"),
        "0018",
    ),
    "+33199005678": (
        *("+33199005678", "+33 1 99 00 56 78", "+33 (0)1 99 00 56 78", "0033 1 99 00 56 78"),
        *("33199005678", "01 99 00 56 78", "01.99.00.56.78", "0199005678", "01-99-00-56-78"),
        "5678",
    ),
    "+74951234567": (
        *("+74951234567", "+7 495 123-45-67", "+7 (495) 123-45-67", "007 495 123 45 67"),
        *("74951234567", "8 495 123-45-67", "8 (495) 123 45 67", "84951234567", "495 123-45-67"),
        "4567",
    ),
}


def test_person_is_found_by_any_spelling(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    calls = {
        number: ended_call(ours, to_number=number, variables={"first_name": "Ada"})
        for number in SPELLINGS
    }

    missing = []
    for number, spellings in SPELLINGS.items():
        for text in spellings:
            page = browser.get("/console/people", {"q": text}, follow=True).content.decode()
            if number not in page or any(other in page for other in SPELLINGS if other != number):
                missing.append((number, text))
    person = browser.get("/console/people/+12025550186")

    assert all(len(spellings) == 10 for spellings in SPELLINGS.values())
    assert missing == []
    assert "Ada" in text_of(person)
    assert f"/console/calls/{calls['+12025550186'].pk}" in person.content.decode()


def test_person_is_put_on_the_do_not_call_list(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    page = "/console/people/+12025550186"

    browser.post(page, {"reason": "asked for it"})
    after = text_of(browser.get(page))
    lift = f'action="/console/do-not-call/{Suppression.unscoped.get().pk}/lift"'
    is_offered = lift in browser.get(page).content.decode()
    lifted = browser.post(f"/console/do-not-call/{Suppression.unscoped.get().pk}/lift")

    assert "On the do-not-call list : asked for it" in after
    assert is_offered
    assert lifted["Location"] == "/console/do-not-call"
    assert not Suppression.unscoped.exists()


def test_person_is_called_now_with_what_is_known_of_them(ours: Workspace) -> None:
    number = "+12025550186"
    make.phone_number(ours)
    variables = [{"name": "first_name", "required": True}]
    agent = make.agent(ours, name="Recall", variables=variables)
    make.agent(ours, name="Unfinished", published=False)
    make.call(ours, to_number=number, variables={"first_name": "Ada"})
    member, manager = (reader(make.member(ours, role)) for role in (Role.MEMBER, Role.MANAGER))
    page, stranger = f"/console/people/{number}", "/console/people/+12025550187"

    offered = text_of(manager.get(page))
    called = manager.post(page, {"agent_id": str(agent.pk)})
    refused = manager.post(stranger, {"agent_id": str(agent.pk)}, follow=True)
    forbidden = member.post(page, {"agent_id": str(agent.pk)})

    (call,) = Call.unscoped.filter(agent=agent, to_number=number)
    assert ("Recall" in offered, "Unfinished" in offered) == (True, False)
    assert (called["Location"], call.variables) == (
        f"/console/calls/{call.pk}",
        {"first_name": "Ada"},
    )
    assert "Missing required variables: first name." in text_of(refused)
    assert forbidden.status_code == 403


def test_number_is_refused_in_words_beside_the_field(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))

    answer = browser.post("/console/do-not-call", {"phone_number": "12"})

    assert answer.status_code in (400, 422)
    assert 'value="12"' in answer.content.decode()


def test_callback_is_moved_and_cancelled(ours: Workspace) -> None:
    callback = make.callback(ours)
    browser = reader(make.member(ours, Role.MANAGER))
    url = f"/console/callbacks/{callback.pk}"
    at = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")

    moved = browser.post(url, {"at": at})
    text = text_of(browser.get(moved["Location"]))
    browser.post(url, {"cancel": "1"})

    assert "The callback is moved." in text
    callback.refresh_from_db()
    assert callback.status == "cancelled"


def test_a_long_list_of_calls_is_not_counted_to_its_end(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("accounts.api.viewsets", "console.templatetags.console"):
        monkeypatch.setattr(f"{module}.MAX_COUNTED_ROWS", 55)
    for _ in range(120):
        make.call(ours)
    browser = reader(make.member(ours, Role.MEMBER))

    first, second, last = (
        text_of(browser.get(f"/console/calls?page={page}")) for page in (1, 2, 3)
    )

    assert "Page 1, more than 55 in all Next" in first
    assert "Page 2, more than 55 in all Previous Next" in second
    assert "Page 3, more than 55 in all Previous" in last
    assert "Previous Next" not in last


def test_person_has_the_next_call_with_the_rule_that_decides_it(ours: Workspace) -> None:
    monday = timezone.now() + timedelta(days=3)
    running = make.batch(ours, name="Recall", status="running")
    make.recipient(
        running, phone_number="+12025550186", status="retrying", attempts=1, due_at=monday
    )
    make.recipient(make.batch(ours, name="Later"), phone_number="+12025550186")
    browser = reader(make.member(ours, Role.MANAGER))

    page = browser.get("/console/people/+12025550186")

    text = text_of(page)
    assert f'datetime="{monday.isoformat()}"' in page.content.decode()
    assert "The last call did not reach the person" in text
    assert "Recall row 2" in text
    assert "None planned The batch has not been started. Start the batch." in text
    assert "Ada" in text


def test_page_of_what_is_no_number_has_its_calls(ours: Workspace) -> None:
    make.call(ours, direction="inbound", from_number="anonymous")
    browser = reader(make.member(ours, Role.MANAGER))

    text = text_of(browser.get("/console/people/anonymous"))

    assert "Next call" not in text
    assert "↙" in text
