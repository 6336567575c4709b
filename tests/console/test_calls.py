from datetime import timedelta

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
        "/console/calls/file",
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


def test_person_is_found_by_any_spelling(ours: Workspace) -> None:
    call = ended_call(ours, to_number="+12025550186", variables={"first_name": "Ada"})
    browser = reader(make.member(ours, Role.MANAGER))
    spellings = ("+12025550186", "+1 202 555 0186", "+1 (202) 555-0186", "+1-202-555-0186")

    found = [browser.get("/console/people", {"q": text})["Location"] for text in spellings]
    last_four = text_of(browser.get("/console/people", {"q": "0186"}))
    person = browser.get(found[0])

    assert {page.replace("%2B", "+") for page in found} == {"/console/people/+12025550186"}
    assert "+12025550186" in last_four
    assert "Ada" in text_of(person)
    assert f"/console/calls/{call.pk}" in person.content.decode()


def test_person_is_put_on_the_do_not_call_list(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    page = "/console/people/+12025550186"

    browser.post(page, {"reason": "asked for it"})
    after = text_of(browser.get(page))
    lifted = browser.post(f"/console/do-not-call/{Suppression.unscoped.get().pk}/lift")

    assert "On the do-not-call list : asked for it" in after
    assert lifted["Location"] == "/console/do-not-call"
    assert not Suppression.unscoped.exists()


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
