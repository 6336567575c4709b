"""The navigation of the control room: by work, not by table."""

from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts.staff.visibility import limit_rows
from ops.control import needs
from telephony.models import Stage

MAX_BADGE = 99


class Entry(NamedTuple):
    """A link to a table's list, by `app.model`, or to a page of ours that needs its permission."""

    title: str
    icon: str
    table: str
    page: str = ""
    query: str = ""


LINKS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Now",
        (
            Entry("Overview", "space_dashboard", "", "index"),
            Entry(
                *("Live calls", "graphic_eq", "telephony.call", ""),
                f"stage__exact={Stage.IN_PROGRESS.value}",
            ),
            Entry("Review", "rule", "batches.recipient", "review"),
        ),
    ),
    (
        "Campaigns",
        (
            Entry("Batches", "list_alt", "batches.batch"),
            Entry("People", "group", "batches.recipient"),
            Entry("Callbacks", "event", "batches.callback"),
            Entry("Do-not-call list", "block", "batches.suppression"),
        ),
    ),
    (
        "Voice",
        (
            Entry("Calls", "call", "telephony.call"),
            Entry("Agents", "support_agent", "agents.agent"),
            Entry("Numbers", "dialpad", "telephony.phonenumber"),
        ),
    ),
    (
        "Workspaces",
        (
            Entry("Workspaces", "apartment", "accounts.workspace"),
            Entry("Members", "badge", "accounts.membership"),
            Entry("Users", "person", "accounts.user"),
            Entry("API keys", "key", "accounts.apikey"),
            Entry("Webhooks", "webhook", "webhooks.webhookendpoint"),
            Entry("Audit log", "history", "accounts.auditentry"),
        ),
    ),
)
NAMED = {entry.table for _title, entries in LINKS for entry in entries}


def list_groups(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of links in the form that django-unfold's sidebar has."""
    badges = _count_badges(request)
    groups: list[dict[str, Any]] = [
        {"title": title, "items": [_item(request, entry, badges) for entry in entries]}
        for title, entries in LINKS
    ]
    # What is not named above is for those who look after the installation.
    others = sorted(
        _entry_of(model) for model in admin.site._registry if model._meta.label_lower not in NAMED
    )
    system = [_item(request, entry, badges) for entry in others]
    groups.append({"title": "System", "collapsible": True, "items": system})
    return groups


def _item(request: HttpRequest, entry: Entry, badges: dict[str, int]) -> dict[str, Any]:
    path = reverse(f"admin:{entry.page or entry.table.replace('.', '_') + '_changelist'}")
    is_here = request.path == path if entry.page else request.path.startswith(path)
    has_query = bool(entry.query) and entry.query in request.GET.urlencode()
    app, _, model = entry.table.partition(".")
    item: dict[str, Any] = {
        "title": entry.title,
        "icon": entry.icon,
        "link": f"{path}?{entry.query}" if entry.query else path,
        "active": is_here and (has_query or not entry.query),
    }
    if entry.table and not request.user.has_perm(f"{app}.view_{model}"):
        item["permission"] = lambda request: False
    if count := badges.get(entry.page or entry.table):
        item["badge"] = str(count) if count <= MAX_BADGE else f"{MAX_BADGE}+"
    return item


def _count_badges(request: HttpRequest) -> dict[str, int]:
    """Return how many rows of a page wait for somebody, counted up to what a badge displays."""
    waiting: dict[str, QuerySet[Any]] = {
        "review": needs.in_review(),
        "telephony.phonenumber": needs.failing_numbers(),
        "webhooks.webhookendpoint": needs.failing_webhooks(),
    }
    return {
        page: needs.count_up_to(limit_rows(rows, request.user), MAX_BADGE)
        for page, rows in waiting.items()
    }


def _entry_of(model: type[Model]) -> Entry:
    title = str(model._meta.verbose_name_plural).capitalize()
    return Entry(title, "table", model._meta.label_lower)
