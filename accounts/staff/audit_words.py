"""The audit log in words: what was done, to which object by its name, and what was changed."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import AuditEntry
from voiceops.core.pii import mask_numbers_in

LISTED_HISTORY = 200
LINK = "text-primary-600 dark:text-primary-500"
# Where the name alone would not say it.
SPECIAL_ACTIONS = {
    "recording.linked": "Recording opened",
    "call.opened_in_browser": "Test call opened in a browser",
    "webhook.redelivered_many": "Webhook deliveries sent again",
    "webhook.redelivered": "Webhook delivery sent again",
    "webhook.secret_rotated": "Webhook secret replaced",
    "session.token_reused": "Login ended: its token was used twice",
    "user.logged_in": "Logged in",
    "user.logged_out": "Logged out",
    "person.erased": "Person's data erased",
    "batch.appended": "Rows appended to a batch",
    "batch.exported": "File of a batch downloaded",
    "audit_log.exported": "Audit log downloaded",
    "calls.exported": "Calls downloaded",
    "suppressions.exported": "Do-not-call list downloaded",
    "agent.rolled_back": "Agent's earlier version published again",
}


class Target(NamedTuple):
    """What an entry is about: its name, and its page if it has one."""

    name: str
    url: str = ""


def action_in_words(action: str) -> str:
    """Return, for example, `Phone number tested`."""
    if action in SPECIAL_ACTIONS:
        return SPECIAL_ACTIONS[action]
    text = action.replace(".", " ").replace("_", " ")
    return text[:1].upper() + text[1:]


def changes_in_words(changes: Mapping[str, Any]) -> str:
    """Return what an entry says besides, without the form of JSON; numbers are masked."""
    parts = [
        f"{name.replace('_', ' ')}: {_value_in_words(value)}" for name, value in changes.items()
    ]
    return mask_numbers_in("; ".join(parts))


def find_targets(entries: Iterable[AuditEntry]) -> dict[tuple[str, str], Target]:
    """Return the objects of the entries that still exist, by type and id: a query for each type."""
    ids: dict[str, set[str]] = {}
    for entry in entries:
        if entry.object_type and entry.object_id:
            ids.setdefault(entry.object_type, set()).add(entry.object_id)
    found: dict[tuple[str, str], Target] = {}
    for name, wanted in ids.items():
        model = _model_named(name)
        if model is None:
            continue
        for row in _rows_of(model).filter(pk__in=wanted):
            found[name, str(row.pk)] = Target(str(row), _page_of(row))
    return found


def target_link(entry: AuditEntry, targets: Mapping[tuple[str, str], Target]) -> SafeString | str:
    """Return the object's name as a link to its page; a deleted one by its type."""
    target = targets.get((entry.object_type, entry.object_id))
    kind = entry.object_type
    if target is None:
        return f"{kind}, deleted" if kind else ""
    if not target.url:
        return target.name
    return format_html('<a href="{}" class="{}">{}</a>', target.url, LINK, target.name)


def describe(entries: Iterable[AuditEntry]) -> list[dict[str, Any]]:
    """Return entries as the page of a row's history lists them."""
    return [
        {
            "at": entry.at,
            "what": action_in_words(entry.action),
            "details": changes_in_words(entry.changes),
            "actor": entry.actor_name or entry.actor_type,
        }
        for entry in entries
    ]


def history_of(row: Any) -> list[AuditEntry]:
    """Return the newest entries about a row, all of which are later than the row itself."""
    entries = AuditEntry.unscoped.filter(object_type=row._meta.model_name, object_id=str(row.pk))
    workspace = getattr(row, "workspace", None)
    if workspace is not None:
        entries = entries.filter(workspace=workspace)
    if getattr(row, "created_at", None) is not None:
        entries = entries.filter(at__gte=row.created_at)
    return list(entries.order_by("-at", "-pk")[:LISTED_HISTORY])


def _value_in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value_in_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value_in_words, value))
    if value is None:
        return "nothing"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _model_named(name: str) -> type[Model] | None:
    return next((model for model in apps.get_models() if model._meta.model_name == name), None)


def _rows_of(model: type[Model]) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._default_manager.all()
    page = admin.site._registry.get(model)
    related = getattr(page, "list_select_related", ())
    return rows.select_related(*related) if related else rows


def _page_of(row: Model) -> str:
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""
