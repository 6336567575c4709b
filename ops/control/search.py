"""What the command palette finds: people, calls, batches and any row by its id.

Nothing here reads a whole table. Numbers and ids have indexes; last digits and words are searched
among the newest rows, and in a batch's own list among all of them.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q, QuerySet, UUIDField
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from accounts.models import User, Workspace
from accounts.staff.lists import newest_of
from accounts.staff.number_search import last_digits, possible_numbers
from accounts.staff.visibility import PERSONAL_DATA, limit_rows
from agents.models import Agent
from batches.models import Batch, Callback, Recipient, Suppression
from telephony.models import Call, Direction
from telephony.models.calls import LISTED
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.pii import mask_number

MAX_RESULTS = 8
# Some 30 ms on PostgreSQL, without an index.
MAX_SEARCHED_ROWS = 20_000
MIN_WORD_CHARACTERS = 3
SIP_CALL_ID_PREFIX = "SCL_"


class Contact(NamedTuple):
    """A number in a workspace, with the row in which it was found first."""

    workspace_id: UUID
    number: str


def find(request: HttpRequest, text: str) -> list[SearchResult]:
    """Return what `text` may mean, people first."""
    if UUID_PATTERN.fullmatch(text):
        return list(_rows_with_id(request, UUID(text)))
    results = list(_contacts(request, text))
    results += _calls_with_name(request, text)
    if len(text) >= MIN_WORD_CHARACTERS:
        results += _named_rows(request, text)
    return results


def _rows_with_id(request: HttpRequest, pk: UUID) -> Iterator[SearchResult]:
    for model, page in admin.site._registry.items():
        if isinstance(model._meta.pk, UUIDField) and page.has_view_permission(request):
            for row in page.get_queryset(request).filter(pk=pk):
                yield _result(row, str(model._meta.verbose_name))


def _calls_with_name(request: HttpRequest, text: str) -> Iterator[SearchResult]:
    """Yield the call of a room, or of a SIP call id."""
    if not request.user.has_perm("telephony.view_call"):
        return
    calls = limit_rows(Call.unscoped.all(), request.user)
    by_sip_id = text.startswith(SIP_CALL_ID_PREFIX)
    # SIP call ids have no index.
    newest = newest_of(calls, MAX_SEARCHED_ROWS)
    found = newest.filter(sip_call_id=text) if by_sip_id else calls.filter(room=text)
    for call in found[:MAX_RESULTS]:
        yield _result(call, "call", title=f"Call of {call.created_at:%d %b %Y %H:%M} UTC")


def _named_rows(request: HttpRequest, text: str) -> Iterator[SearchResult]:
    """Yield batches and agents by a part of their name, and users by their address."""
    kinds: tuple[tuple[type[Model], QuerySet[Any], Q], ...] = (
        (Batch, Batch.unscoped.select_related("workspace"), Q(name__icontains=text)),
        (Agent, Agent.unscoped.select_related("workspace"), Q(name__icontains=text)),
        (User, User.objects.all(), Q(email__startswith=text.lower()) | Q(email=text.lower())),
    )
    for model, rows, condition in kinds:
        name = model._meta.model_name
        if not request.user.has_perm(f"{model._meta.app_label}.view_{name}"):
            continue
        visible = (
            newest_of(limit_rows(rows, request.user), MAX_SEARCHED_ROWS)
            .filter(condition)
            .order_by("-pk")
        )
        for row in visible[:MAX_RESULTS]:
            workspace = f" · {row.workspace.name}" if hasattr(row, "workspace") else ""
            title = row.email if isinstance(row, User) else row.name
            yield _result(row, f"{name}{workspace}", title=title)


def _contacts(request: HttpRequest, text: str) -> Iterator[SearchResult]:
    """Yield a page for each number in each workspace, however many rows it has there."""
    may_open = request.user.has_perm(PERSONAL_DATA)
    if not may_open or not request.user.has_perm("batches.view_recipient"):
        return
    found: dict[Contact, Any] = {}
    for rows, number_of in _contact_rows(request, text):
        for row in rows.select_related("workspace"):
            found.setdefault(Contact(row.workspace_id, number_of(row)), row)
    for contact, row in list(found.items())[:MAX_RESULTS]:
        kind = row._meta.model_name
        yield SearchResult(
            title=" · ".join(filter(None, (_name_of(row), mask_number(contact.number)))),
            description=f"person in {row.workspace.name}",
            link=reverse("admin:contact", args=[kind, row.pk]),
            icon="person",
        )


def _contact_rows(
    request: HttpRequest, text: str
) -> Iterator[tuple[QuerySet[Any], Callable[[Any], str]]]:
    recipients = limit_rows(Recipient.unscoped.select_related("batch"), request.user)
    if numbers := possible_numbers(text):
        calls = limit_rows(Call.unscoped.all(), request.user)
        # The index of callers begins with the workspace, and holds the calls that the API lists.
        callers = calls.filter(
            LISTED,
            direction=Direction.INBOUND,
            from_number__in=numbers,
            workspace__in=_workspaces_of(request),
        )
        yield _first(recipients.filter(phone_number__in=numbers)), _number_of
        yield _first(calls.filter(to_number__in=numbers, direction=Direction.OUTBOUND)), _called
        yield _first(callers), _calling
        for model in (Suppression, Callback):
            rows = limit_rows(model.unscoped.filter(phone_number__in=numbers), request.user)
            yield _first(rows), _number_of
    elif digits := last_digits(text):
        yield (
            _first(newest_of(recipients, MAX_SEARCHED_ROWS).filter(phone_number__endswith=digits)),
            _number_of,
        )
    elif len(text) >= MIN_WORD_CHARACTERS:
        # SQLite keeps JSON with escapes for all but ASCII, PostgreSQL without.
        escaped = json.dumps(text)[1:-1]
        words = Q(values__icontains=text) | Q(values__icontains=escaped) | Q(external_id=text)
        yield _first(newest_of(recipients, MAX_SEARCHED_ROWS).filter(words)), _number_of


def _workspaces_of(request: HttpRequest) -> QuerySet[Any]:
    return limit_rows(Workspace.unscoped.all(), request.user).values("pk")


def _first(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.order_by("-pk")[:MAX_RESULTS]


def _number_of(row: Any) -> str:
    return str(row.phone_number)


def _called(call: Call) -> str:
    return call.to_number


def _calling(call: Call) -> str:
    return call.from_number


def _name_of(row: Any) -> str:
    """Return the first words that a list or a call has about somebody."""
    variables = row.variables_in(row.batch) if isinstance(row, Recipient) else {}
    if isinstance(row, Call):
        variables = row.variables
    texts = (str(value).strip() for value in variables.values() if value)
    return " ".join(text for text in list(texts)[:2])


def _result(row: Model, description: str, title: str = "") -> SearchResult:
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return SearchResult(
        title=title or str(row),
        description=description,
        link=reverse(page, args=[row.pk]),
        icon="data_object",
    )
