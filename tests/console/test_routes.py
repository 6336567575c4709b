"""Opens every address of the console as every kind of reader. An unknown address fails."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from console.urls import urlpatterns
from tests import make
from tests.console.browsers import reader, text_of, visitor
from voiceops.core.ids import uuid7

# For visitors, each with tests of its own (test_doors.py).
DOORS = {
    "continue",
    "sign-in",
    "sign-up",
    "first-account",
    "invitation",
    "forgotten-password",
    "new-password",
    "sign-out",
    "unsubscribe",
}
# Of the reader, in whichever workspace.
PERSONAL = {"alive", "workspaces", "account", "factor", None}
NO_ONE = 99  # no role is enough: the page has no such method
# Address -> the role that may open it, and the role that may send its form.
ROLES: dict[str, tuple[int, int]] = {
    "home": (Role.MEMBER, NO_ONE),
    "batches": (Role.MEMBER, NO_ONE),
    "new-batch": (Role.MANAGER, Role.MANAGER),
    "new-batch-step": (NO_ONE, Role.MANAGER),
    "trial-call": (NO_ONE, Role.MANAGER),
    "batch": (Role.MEMBER, NO_ONE),
    "batch-people": (Role.MEMBER, NO_ONE),
    "batch-refused": (Role.MEMBER, NO_ONE),
    "decision": (NO_ONE, Role.MANAGER),
    "append": (NO_ONE, Role.MANAGER),
    "order": (Role.MANAGER, Role.MANAGER),
    "budget": (NO_ONE, Role.MANAGER),
    "clone": (NO_ONE, Role.MANAGER),
    "file": (Role.MANAGER, NO_ONE),
    "calls": (Role.MEMBER, NO_ONE),
    "calls-file": (Role.MANAGER, NO_ONE),
    "call": (Role.MEMBER, NO_ONE),
    "recording": (Role.MANAGER, NO_ONE),
    "call-order": (NO_ONE, Role.MANAGER),
    "people": (Role.MEMBER, NO_ONE),
    "person": (Role.MANAGER, Role.MANAGER),
    "callbacks": (Role.MEMBER, NO_ONE),
    "callback": (NO_ONE, Role.MANAGER),
    "do-not-call": (Role.MEMBER, Role.MANAGER),
    "do-not-call-file": (Role.MANAGER, NO_ONE),
    "do-not-call-import": (NO_ONE, Role.MANAGER),
    "lift": (NO_ONE, Role.MANAGER),
    "reports": (Role.MEMBER, Role.MEMBER),
    "report-file": (Role.MEMBER, NO_ONE),
    "agents": (Role.MEMBER, Role.MANAGER),
    "agent": (Role.MEMBER, Role.MANAGER),
    "agent-order": (NO_ONE, Role.MANAGER),
    "talk": (Role.MANAGER, Role.MANAGER),
    "numbers": (Role.MEMBER, Role.ADMIN),
    "buy-number": (Role.ADMIN, Role.ADMIN),
    "number": (Role.MEMBER, Role.ADMIN),
    "number-order": (NO_ONE, Role.ADMIN),
    "developers": (Role.MEMBER, Role.ADMIN),
    "key": (NO_ONE, Role.ADMIN),
    "webhook": (Role.MEMBER, NO_ONE),
    "webhook-order": (Role.ADMIN, Role.ADMIN),
    "delivery": (Role.MANAGER, Role.ADMIN),
    "settings": (Role.MEMBER, Role.ADMIN),
    "members": (Role.MEMBER, Role.ADMIN),
    "audit": (Role.ADMIN, NO_ONE),
    "audit-file": (Role.ADMIN, NO_ONE),
}
# Address -> the row that its `pk` names.
ROWS: dict[str, Callable[[Workspace], Any]] = {
    **dict.fromkeys(
        (
            "batch",
            "batch-people",
            "batch-refused",
            "decision",
            "append",
            "order",
            "budget",
            "file",
            "clone",
        ),
        make.batch,
    ),
    **dict.fromkeys(("call", "recording", "call-order"), make.call),
    **dict.fromkeys(("agent", "agent-order", "talk"), make.agent),
    **dict.fromkeys(("number", "number-order"), make.phone_number),
    **dict.fromkeys(("webhook", "webhook-order", "delivery"), make.webhook),
    "callback": make.callback,
    "lift": make.suppression,
    "key": lambda workspace: make.api_key(workspace)[0],
}
ORDERS = {
    "order": "pause",
    "call-order": "hangup",
    "agent-order": "publish",
    "number-order": "repair",
    "webhook-order": "test",
}
PARAMETERS: dict[str, Callable[[str, Any], Any]] = {
    "pk": lambda name, row: row.pk,
    "order": lambda name, row: ORDERS[name],
    "decision": lambda name, row: "close",
    "step": lambda name, row: "columns",
    "criterion": lambda name, row: "day",
    "number": lambda name, row: "+12025550186",
    "name": lambda name, row: "calls.csv" if name == "calls-file" else "results.csv",
    "recipient": lambda name, row: make.recipient(row).pk,
    "delivery": lambda name, row: make.delivery(row).pk,
}
CONVERTERS = {pattern.name: pattern.pattern.converters for pattern in urlpatterns}  # type: ignore[union-attr]


def address(name: str, owner: Workspace) -> str:
    """The address, for a new row of the owner."""
    row = ROWS[name](owner) if name in ROWS else None
    values = {key: PARAMETERS[key](name, row) for key in CONVERTERS[name]}
    return reverse(f"console:{name}", kwargs=values)


def test_every_address_is_a_door_personal_or_has_its_roles() -> None:
    assert set(CONVERTERS) == DOORS | PERSONAL | set(ROLES)


@pytest.mark.parametrize("name", ROLES)
def test_every_page_asks_visitors_to_sign_in(name: str, ours: Workspace) -> None:
    make.user()
    url = address(name, ours)

    opened, sent = visitor().get(url), visitor().post(url)

    assert opened["Location"].startswith("/auth/continue?next=")
    assert sent.status_code == 401


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize("role", list(Role), ids=str)
def test_every_page_opens_for_its_roles_and_no_other(
    name: str, role: Role, ours: Workspace
) -> None:
    needed, _ = ROLES[name]
    url = address(name, ours)

    answer = reader(make.member(ours, role)).get(url)

    if needed == NO_ONE:
        assert answer.status_code in (403, 405)
    elif role < needed:
        assert answer.status_code == 403
    else:
        # An order's own address leads back to its page; a call without a recording has none.
        assert answer.status_code in ((200,) if name not in ("order", "recording") else (302, 404))


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize("role", list(Role), ids=str)
def test_every_form_is_refused_below_its_role(name: str, role: Role, ours: Workspace) -> None:
    _, needed = ROLES[name]
    url = address(name, ours)
    if role >= needed:
        return

    answer = reader(make.member(ours, role)).post(url)

    assert answer.status_code == (405 if needed == NO_ONE and role >= ROLES[name][0] else 403)


@pytest.mark.parametrize("name", [name for name in ROLES if name in ROWS])
def test_rows_of_other_workspaces_do_not_exist(
    name: str, ours: Workspace, theirs: Workspace
) -> None:
    browser = reader(make.member(ours, Role.ADMIN))
    foreign = address(name, theirs)
    opens, sends = (needed != NO_ONE for needed in ROLES[name])

    answers = [browser.get(foreign)] if opens and name not in ("order",) else []
    answers += (
        [browser.post(foreign, {"name": "x", "at": timezone.now().isoformat()})] if sends else []
    )

    for answer in answers:
        text = (
            text_of(browser.get(answer["Location"]))
            if answer.status_code == 302
            else text_of(answer)
        )
        assert "not found" in text or answer.status_code == 404, text


@pytest.mark.parametrize("name", [name for name in ROLES if name not in ROWS])
def test_lists_have_nothing_of_other_workspaces(
    name: str, ours: Workspace, theirs: Workspace
) -> None:
    if ROLES[name][0] == NO_ONE:
        return
    secrets = {
        make.batch(theirs, name="Secret batch").name,
        make.agent(theirs, name="Secret agent").name,
        make.phone_number(theirs).phone_number,
        make.webhook(theirs, url="https://secret.example/hook").url,
        make.suppression(theirs).phone_number,
        make.member(theirs).email,
        str(make.call(theirs).pk),
    }
    make.callback(theirs, phone_number="+12025550199")

    answer = reader(make.member(ours, Role.ADMIN)).get(address(name, ours))
    page = b"".join(answer if answer.streaming else [answer.content]).decode()

    assert [secret for secret in secrets if secret in page] == []
    assert name == "person" or "+12025550199" not in page


def test_unknown_rows_are_a_page_with_the_way_back(ours: Workspace) -> None:
    answer = reader(make.member(ours)).get(reverse("console:batch", kwargs={"pk": uuid7()}))

    assert answer.status_code == 404
    assert "Batch not found." in text_of(answer)
    assert "Go to the overview" in text_of(answer)
