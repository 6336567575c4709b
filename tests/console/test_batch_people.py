"""From a batch's page to its people: those who were not called, and those to be called again."""

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Batch
from tests import make
from tests.console.browsers import reader, text_of


def test_reasons_lead_to_those_whom_they_are_about(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    for number, reason in (("+12025550171", "duplicate"), ("+12025550172", "suppressed")):
        make.recipient(batch, phone_number=number, status="skipped", due_at=None, reason=reason)
    make.rejected_row(batch, error_code="not_a_number")
    browser = reader(make.member(ours, Role.MANAGER))
    url = f"/console/batches/{batch.pk}"

    page = browser.get(url).content.decode()
    people = browser.get(f"{url}/people?reason=suppressed").content.decode()
    listed = make.client(ours).get(f"/batches/{batch.pk}/recipients?reason=suppressed").json()

    for address in (
        f"{url}/people?status=pending",
        f"{url}/people?reason=duplicate",
        f"{url}/people?reason=suppressed",
        f"{url}/refused",
    ):
        assert f'<a href="{address}"><strong>1</strong></a>' in page
    assert ["+12025550171" in people, "+12025550172" in people] == [False, True]
    assert '<option value="suppressed" selected>' in people
    assert (listed["total"], [row["reason"] for row in listed["items"]]) == (1, ["suppressed"])


def test_those_who_were_not_reached_are_called_again_in_a_new_batch(ours: Workspace) -> None:
    batch = make.batch(ours, status=Batch.Status.COMPLETED)
    for number, outcome in (("+12025550171", "no_answer"), ("+12025550172", "answered")):
        status = "completed" if outcome == "answered" else "failed"
        fields = {"status": status, "outcome": outcome, "attempts": 1, "due_at": None}
        make.recipient(batch, phone_number=number, **fields)
    manager = reader(make.member(ours, Role.MANAGER))
    url = f"/console/batches/{batch.pk}"

    offered = text_of(manager.get(url))
    hidden = text_of(reader(make.member(ours)).get(url))
    made = manager.post(f"{url}/clone", {"only": "unreached"}, follow=True)

    again = Batch.unscoped.exclude(pk=batch.pk).get()
    assert ["Make the new batch" in text for text in (offered, hidden)] == [True, False]
    assert made.request["PATH_INFO"] == f"/console/batches/{again.pk}"
    assert "The new batch is ready. Nobody is called before you start it." in text_of(made)
