"""A new batch in three steps in the control room: for whom, what, when."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEntry, Workspace
from tests import make

ORIGIN = {"Origin": "http://testserver"}


def a_list() -> SimpleUploadedFile:
    return SimpleUploadedFile("list.csv", b"Handy,first_name\n(202) 555-0186,Ada\n12,Max\n")


def test_staff_check_a_list_and_make_a_batch_of_it(staff: Client, ours: Workspace) -> None:
    agent, number = make.agent(ours), make.phone_number(ours)
    page = f"/admin/batches/new/{ours.pk}/"
    chosen = {
        "agent_id": str(agent.pk),
        "phone_number_id": str(number.pk),
        "default_country": "US",
        "column-0": "Handy",
        "meaning-0": "phone_number",
        "column-1": "first_name",
        "meaning-1": "first_name",
    }

    form = staff.get(page).content.decode()
    columns = staff.post(f"{page}columns/", {**chosen, "file": a_list()}, headers=ORIGIN)
    when = staff.post(f"{page}when/", {**chosen, "file": a_list()}, headers=ORIGIN)
    refused = staff.post(page, {**chosen, "file": a_list()}, headers=ORIGIN)
    made = staff.post(
        page, {**chosen, "file": a_list(), "name": "Spring", "start": "manual"}, headers=ORIGIN
    )

    batch = ours.batches.get()
    assert f'hx-post="{page}columns/"' in form
    assert re.findall(r'data-count="(?:valid|rejected)">(\d+)', columns.content.decode()) == [
        "1",
        "1",
    ]
    assert f'hx-post="{page}estimate/"' in when.content.decode()
    assert refused.status_code == 422
    assert made.headers["HX-Redirect"] == f"/admin/batches/batch/{batch.pk}/change/"
    assert (batch.name, batch.agent, batch.phone_number) == ("Spring", agent, number)
    assert batch.column_mapping == {"Handy": "phone_number", "first_name": "first_name"}
    entry = AuditEntry.unscoped.get(action="batch.created")
    assert (entry.object_id, entry.workspace) == (str(batch.pk), ours)


def test_the_workspace_is_asked_for_unless_there_is_one_only(
    staff: Client, ours: Workspace
) -> None:
    alone = staff.get("/admin/batches/new/")
    make.workspace(name="Another")

    asked = staff.get("/admin/batches/new/")
    answered = staff.get("/admin/batches/new/", {"workspace": str(ours.pk)})

    assert alone.headers["Location"] == f"/admin/batches/new/{ours.pk}/"
    assert "For which workspace" in asked.content.decode()
    assert answered.headers["Location"] == f"/admin/batches/new/{ours.pk}/"


@pytest.mark.parametrize("step", ["", "columns/", "trial/"])
def test_staff_reach_no_workspace_but_their_own(
    ours: Workspace, theirs: Workspace, step: str
) -> None:
    user, client = make.member(ours, is_staff=True), Client()
    client.force_login(user)
    pages = [f"/admin/batches/new/{of.pk}/{step}" for of in (ours, theirs)]

    without = [client.post(page, headers=ORIGIN).status_code for page in pages]
    user.user_permissions.add(Permission.objects.get(codename="add_batch"))
    with_right = [client.post(page, headers=ORIGIN).status_code for page in pages]

    assert without == [403, 403]
    assert with_right[0] in (200, 422)
    assert with_right[1] == 403


def test_a_form_from_another_site_makes_no_batch(staff: Client, ours: Workspace) -> None:
    answer = staff.post(
        f"/admin/batches/new/{ours.pk}/", {"name": "x"}, headers={"Origin": "https://evil.example"}
    )

    assert answer.status_code == 403
    assert not ours.batches.exists()


def test_corrected_rows_are_appended_on_the_page_of_the_batch(
    staff: Client, ours: Workspace, theirs: Workspace
) -> None:
    batch, foreign = make.batch(ours), make.batch(theirs)
    rows = SimpleUploadedFile("rejected.csv", b"phone,first_name\n+12025550101,Max\n")
    url = f"/admin/batches/append/{batch.pk}/"

    page = staff.get(f"/admin/batches/batch/{batch.pk}/change/").content.decode()
    without = staff.post(url, headers=ORIGIN, follow=True).content.decode()
    done = staff.post(url, {"file": rows}, headers=ORIGIN, follow=True).content.decode()

    assert f'action="{url}"' in page
    assert "The rows are being read." in done
    assert "The rows are being read." not in without
    batch.refresh_from_db()
    assert batch.upload
    client = Client()
    client.force_login(make.member(ours, is_staff=True))
    assert client.post(f"/admin/batches/append/{foreign.pk}/", headers=ORIGIN).status_code == 404
