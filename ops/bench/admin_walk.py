"""Opens every page of the admin and the console, times it, and reads the plans of its queries."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import User, Workspace
from accounts.staff.login import SECOND_FACTOR_PASSED
from batches.models import Batch, Recipient
from console.urls import urlpatterns as console_patterns

MAX_MILLISECONDS = 300
# A table that a page reads from one end to the other has at most as many rows.
MAX_SCANNED_ROWS = 100_000
VISITS_PER_PAGE = 2
# A scan whose limit costs less than this share of all of it is stopped early.
STOPPED_EARLY_SHARE = 0.5
PASSES_ROWS_ON = ("Limit", "Subquery Scan", "Gather", "Nested Loop", "Result")
TRIED_NUMBER = "+12025550001"
HTML = {"Accept": "text/html"}
# Files are as long as their lists, doors are for visitors, and orders are never read.
LEFT_OUT = {
    *("file", "calls-file", "recording", "alive", "continue", "sign-out", "invitation"),
    *("trial-call", "callback", "do-not-call-import"),
}
# Console address -> the table whose newest row it names.
CONSOLE_ROWS = {
    "batch": "batches.batch",
    "call": "telephony.call",
    "agent": "agents.agent",
    "number": "telephony.phonenumber",
    "webhook": "webhooks.webhookendpoint",
}


@dataclass
class Visit:
    """A page, how long the server took at best, and which large tables it read as a whole."""

    name: str
    url: str
    status: int = 0
    milliseconds: float = 0.0
    queries: int = 0
    kilobytes: float = 0.0
    scans: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What breaks the promise of the page, in words."""
        found = [f"reads all of {table}" for table in self.scans]
        if self.milliseconds > MAX_MILLISECONDS:
            found.append(f"takes {self.milliseconds:.0f} ms")
        if self.status not in (200, 302):
            found.append(f"answers {self.status}")
        return found


def admin_pages() -> Iterator[Visit]:
    """Yield every page of the admin that is read, with the usual searches and each filter."""
    yield from _pages_of_the_room()
    for model, page in admin.site._registry.items():
        yield from _pages_of(model, page)
    if (batch := Batch.unscoped.order_by("pk").first()) is not None:
        yield from _pages_of_batch(batch)


def _pages_of_the_room() -> Iterator[Visit]:
    for name in ("index", "review", "overview_part"):
        yield Visit(name, reverse(f"admin:{name}"))
    for text in (TRIED_NUMBER, "0001", "Ada 7", "nobody@example.com"):
        yield Visit(f"palette: {text}", f"{reverse('admin:search')}?extended=1&s={_quoted(text)}")
    if (workspace := Workspace.unscoped.order_by("pk").first()) is not None:
        yield Visit("new batch", reverse("admin:new_batch", args=[workspace.pk]))
    if (recipient := Recipient.unscoped.order_by("-pk").first()) is not None:
        yield Visit("person", reverse("admin:contact", args=["recipient", recipient.pk]))
    ids = Batch.unscoped.order_by("-pk").values_list("pk", flat=True)
    live = reverse("admin:batches_batch_live")
    yield Visit("batches: live", f"{live}?ids={','.join(map(str, ids[:50]))}")


def _pages_of_batch(batch: Batch) -> Iterator[Visit]:
    """Yield the pages of the oldest batch, which is the longest."""
    rows = f"{reverse('admin:batches_recipient_changelist')}?batch__id__exact={batch.pk}"
    calls = reverse("admin:telephony_call_changelist")
    page = reverse("admin:batches_batch_change", args=[batch.pk])
    yield Visit("longest batch", page)
    yield Visit("longest batch: live", f"{reverse('admin:batches_batch_live')}?ids={batch.pk}")
    yield Visit("longest batch: people", rows)
    yield Visit("longest batch: last digits", f"{rows}&q=0001")
    yield Visit("longest batch: a name", f"{rows}&q=Ada")
    yield Visit("longest batch: calls", f"{calls}?batch={batch.pk}")


def _pages_of(model: type[models.Model], page: Any) -> Iterator[Visit]:
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    title = str(model._meta.verbose_name_plural)
    address = reverse(f"admin:{name}_changelist")
    yield Visit(title, address)
    yield Visit(f"{title}: a number", f"{address}?q={_quoted(TRIED_NUMBER)}")
    yield Visit(f"{title}: a word", f"{address}?q=zzz")
    for query in _filter_queries(model, page):
        yield Visit(f"{title}: {query}", f"{address}?{query}")
    row = model._default_manager.order_by("-pk").first()
    if row is not None:
        yield Visit(f"{title}: a row", reverse(f"admin:{name}_change", args=[row.pk]))


def _filter_queries(model: type[models.Model], page: Any) -> Iterator[str]:
    """Yield a query for each filter that is a column with choices, a flag, or emptiness."""
    for entry in page.list_filter:
        if isinstance(entry, str):
            column = model._meta.get_field(entry)
            choices = getattr(column, "choices", None) or []
            value = "1" if isinstance(column, models.BooleanField) else None
            value = value or (str(list(choices)[-1][0]) if choices else None)
            if value is not None:
                yield f"{entry}__exact={value}"
        elif isinstance(entry, tuple) and entry[1] is admin.EmptyFieldListFilter:
            yield f"{entry[0]}__isempty=0"
        elif isinstance(entry, tuple):
            yield f"{entry[0]}_from=2026-01-01&{entry[0]}_to=2099-01-01"


def console_pages() -> Iterator[Visit]:
    """Yield every page of the console that is read."""
    for pattern in console_patterns:
        name = str(getattr(pattern, "name", None))
        if name in LEFT_OUT or (kwargs := _kwargs_of(name)) is None:
            continue
        try:
            yield Visit(f"console: {name}", reverse(f"console:{name}", kwargs=kwargs))
        except NoReverseMatch:
            continue  # an order, which is never read


def _kwargs_of(name: str) -> dict[str, Any] | None:
    """Return what the address of a page needs; None where there is no row for it."""
    if name == "person":
        return {"number": TRIED_NUMBER}
    table = next((table for prefix, table in CONSOLE_ROWS.items() if name.startswith(prefix)), None)
    if table is None or name.endswith("s"):
        return {}
    row = apps.get_model(table)._default_manager.order_by("pk").first()
    return {"pk": row.pk} if row is not None else None


def _quoted(text: str) -> str:
    return quote(text, safe="")


def browser_of(user: User, access_token: str) -> Client:
    """Return a browser in which a superuser is signed in to the admin and to the console."""
    client = Client(headers={**HTML, "host": settings.ALLOWED_HOSTS[0]})
    client.force_login(user)
    session = client.session
    session[SECOND_FACTOR_PASSED] = True
    session.save()
    client.cookies["access_token"] = access_token
    return client


def visit(client: Client, page: Visit, *, sizes: dict[str, int]) -> Visit:
    """Open the page, time it at its best, and note the large tables that it reads as a whole.

    `sizes` has how many rows each table has.
    """
    best = float("inf")
    statements: list[tuple[str, Any]] = []
    for _ in range(VISITS_PER_PAGE):
        statements.clear()
        with _recording(statements):
            began_at = time.perf_counter()
            response = client.get(page.url, secure=True)
            body = b"".join(response) if response.streaming else response.content
            best = min(best, time.perf_counter() - began_at)
    page.status, page.milliseconds = response.status_code, 1000 * best
    page.queries, page.kilobytes = len(statements), len(body) / 1024
    page.scans = sorted(_large_scans(statements, sizes))
    return page


@contextmanager
def _recording(statements: list[tuple[str, Any]]) -> Iterator[None]:
    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield


def _large_scans(statements: list[tuple[str, Any]], sizes: dict[str, int]) -> set[str]:
    """Return the tables of more than MAX_SCANNED_ROWS rows that the plans read from end to end."""
    found: set[str] = set()
    with connection.cursor() as cursor:
        for sql, params in statements:
            if not sql.lstrip().upper().startswith("SELECT"):
                continue
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            [[plan]] = cursor.fetchall()
            [tree] = json.loads(plan) if isinstance(plan, str) else plan
            found |= {
                table
                for table in scanned_tables(tree["Plan"])
                if sizes.get(table, 0) > MAX_SCANNED_ROWS
            }
    return found


def scanned_tables(plan: dict[str, Any], limit: float = float("inf")) -> set[str]:
    """Return the tables that a plan of PostgreSQL reads by sequential scans.

    `limit` is the cost at which a LIMIT above the plan stops it. A scan that is stopped long before
    its end reads the first rows only.
    """
    cost = float(plan.get("Total Cost", 0.0))
    if plan["Node Type"] == "Seq Scan":
        return {plan["Relation Name"]} if cost * STOPPED_EARLY_SHARE <= limit else set()
    if plan["Node Type"] == "Limit":
        limit = min(limit, cost)
    elif plan["Node Type"] not in PASSES_ROWS_ON:
        limit = float("inf")  # reads all of its input before it gives the first row
    found: set[str] = set()
    for part in plan.get("Plans", ()):
        found |= scanned_tables(part, limit)
    return found


def table_sizes() -> dict[str, int]:
    """Return how many rows PostgreSQL believes each table to have."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'")
        return {name: int(rows) for name, rows in cursor.fetchall()}
