"""What staff of each group see and may do in the admin."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import ApiKey, Membership, Session, User, Workspace
from accounts.roles import Role
from batches.models import Batch, Recipient, Suppression
from ops.control.groups import STAFF_GROUPS, create_groups
from telephony.models import Call
from tests import make
from tests.admin.pages import html_of, order_url, page_of
from tests.admin.rows import recording


def of_group(name: str, *workspaces: Workspace) -> Client:
    user, client = make.user(is_staff=True), Client()
    user.groups.add(Group.objects.get(name=name))
    for workspace in workspaces:
        Membership.unscoped.create(workspace=workspace, user=user, role=Role.MEMBER)
    client.force_login(user)
    return client


def test_migrating_again_gives_groups_their_permissions_back(db: None) -> None:
    operator = Group.objects.get(name="Operator")
    before = set(operator.permissions.values_list("pk", flat=True))
    operator.permissions.clear()
    own = Group.objects.create(name="Night desk")

    create_groups(using="default")

    assert set(operator.permissions.values_list("pk", flat=True)) == before
    assert len(before) > len(STAFF_GROUPS)
    assert not own.permissions.exists()


def test_operators_work_in_every_workspace_but_not_on_accounts(
    ours: Workspace, theirs: Workspace
) -> None:
    client = of_group("Operator")
    batches = [make.batch(ours), make.batch(theirs)]

    listed = html_of(client.get(page_of(Batch)))
    client.post(order_url(batches[0], "stop"))
    closed = [client.get(page_of(model)).status_code for model in (User, ApiKey, Session)]

    batches[0].refresh_from_db()
    assert [str(batch.pk) in listed for batch in batches] == [True, True]
    assert batches[0].status == "stopped"
    assert closed == [403, 403, 403]


def test_analysts_read_masked_numbers_and_no_conversation(ours: Workspace) -> None:
    client = of_group("Analyst")
    recipient = make.recipient(make.batch(ours), phone_number="+12025550186")
    call = recording(ours).call
    export = page_of(Batch, recipient.batch).replace("change", "download") + "results.csv"

    listed = html_of(client.get(page_of(Recipient)))
    closed = [
        client.get(page_of(Recipient, recipient)).status_code,
        client.get(page_of(Call, call)).status_code,
        client.get(page_of(Call, call).replace("change", "recording")).status_code,
        client.get(export).status_code,
        client.post(page_of(Batch, recipient.batch), {"name": "Mine"}).status_code,
    ]

    assert "+1202•••••86" in listed
    assert "+12025550186" not in listed
    assert client.get(page_of(Batch, recipient.batch)).status_code == 200
    assert closed == [403, 403, 403, 403, 403]


def test_support_sees_the_workspaces_of_which_it_is_a_member(
    ours: Workspace, theirs: Workspace
) -> None:
    client = of_group("Support", ours)
    own, foreign = make.batch(ours), make.batch(theirs)
    live = "/admin/batches/batch/live/"

    listed = html_of(client.get(page_of(Batch)))
    polled = client.get(live, {"ids": f"{own.pk},{foreign.pk}"}).json()
    opened = [client.get(page_of(Batch, batch)).status_code for batch in (own, foreign)]
    ordered = [client.post(order_url(batch, "stop")).status_code for batch in (own, foreign)]

    foreign.refresh_from_db()
    assert [str(batch.pk) in listed for batch in (own, foreign)] == [True, False]
    assert [name in listed for name in (ours.name, theirs.name)] == [True, False]
    assert list(polled) == [str(own.pk)]
    assert opened == [200, 302]  # to the first page, as for a row that does not exist
    assert ordered == [302, 403]
    assert foreign.status == "ready"


@pytest.mark.parametrize("page", ["add/", "import/"])
def test_support_adds_nothing_to_other_workspaces(
    ours: Workspace, theirs: Workspace, page: str
) -> None:
    client = of_group("Support", ours)

    answer = client.post(
        page_of(Suppression) + page,
        {"workspace": str(theirs.pk), "phone_number": "+12025550186"},
    ).content.decode()

    assert "Select a valid choice" in answer
    assert not theirs.suppressions.exists()


def test_superusers_put_staff_into_groups(staff: Client, db: None) -> None:
    user, group = make.user(is_staff=True), Group.objects.get(name="Support")
    form = {"email": user.email, "name": "Ada", "is_active": "on", "is_staff": "on"}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}

    staff.post(page_of(User, user), {**form, **inline, "groups": [group.pk]})

    user.refresh_from_db()
    assert (user.name, list(user.groups.all())) == ("Ada", [group])
