"""Every table has admin pages that can be listed, searched and opened, and contain no secret."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from agents.models import Agent
from batches.models import Batch, Recipient, Suppression
from tests import make
from tests.admin.pages import html_of, page_of
from tests.admin.rows import SECRET, made

APPS = ("accounts", "agents", "telephony", "batches", "webhooks")
OURS: list[type[models.Model]] = [
    model for model in apps.get_models() if model._meta.app_label in APPS
]


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

    addable = (
        *("Workspace", "Membership", "Invitation", "ApiKey", "Agent", "Suppression"),
        "WebhookEndpoint",
    )
    assert response.status_code == (200 if model.__name__ in addable else 403)


@EVERY
def test_no_page_contains_a_secret(staff: Client, ours: Workspace, model: type) -> None:
    row = made(model, ours)

    text = "".join(html_of(staff.get(url)) for url in (page_of(model), page_of(model, row)))

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
        html_of(staff.get(page_of(model))),
        html_of(staff.get(page_of(model, row))),
    )

    name = model._meta.model_name
    assert (row.phone_number in listed, row.phone_number in opened) == (False, True)
    assert f"{row.phone_number[:5]}•••••{row.phone_number[-2:]}" in listed
    assert AuditEntry.unscoped.get(action=f"{name}.viewed_by_staff").object_id == str(row.pk)


@pytest.mark.parametrize("state", ["draft", "changed", "published", "deleted"])
def test_agents_are_filtered_by_state(staff: Client, ours: Workspace, state: str) -> None:
    rows = {
        "draft": make.agent(ours, published=False),
        "changed": make.agent(ours, version=2, published_version=1, published=False),
        "published": make.agent(ours),
        "deleted": make.agent(ours, deleted_at=timezone.now()),
    }

    text = html_of(staff.get(page_of(Agent), {"state": state}))

    assert [name for name, agent in rows.items() if str(agent.pk) in text] == [state]


def test_a_batch_list_has_the_progress(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    for status in ("completed", "failed", "pending"):
        make.recipient(batch, status=status)

    text = html_of(staff.get(page_of(Batch)))

    assert "2 of 3 (66 %)" in text
    assert "pending 1, completed 1, failed 1" in text
