"""What waits for a decision or a repair by staff, each with where to go."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.urls import reverse

from accounts.staff.visibility import EVERY_WORKSPACE, Staff, limit_rows
from agents.models import AgentVersion
from agents.voice_workers import find_unspoken_versions
from batches.dialing.circuit_breaker import has_paused_itself
from batches.models import Batch, Recipient
from ops.checking.findings import Finding
from ops.checking.installation_checks import check_disk
from telephony.models import PhoneNumber
from webhooks.models import WebhookEndpoint

MAX_NAMED = 5
MAX_COUNTED = 999
# A list of which more rows were refused has the wrong columns, or lacks its country.
MAX_REFUSED_SHARE = 0.1


@dataclass(frozen=True)
class Need:
    """One line: what it is about, what is wrong in words, and the page on which to act."""

    subject: str
    text: str
    url: str = ""
    tone: str = "warn"


def in_review() -> QuerySet[Recipient]:
    """Return the recipients that wait for a decision."""
    return Recipient.unscoped.filter(status=Recipient.Status.REVIEW)


def failing_numbers() -> QuerySet[PhoneNumber]:
    """Return the numbers whose calls fail, or that could not be set up."""
    failing = Q(pace__trouble__isnull=False) | Q(status=PhoneNumber.Status.ERROR)
    return PhoneNumber.unscoped.filter(failing)


def failing_webhooks() -> QuerySet[WebhookEndpoint]:
    """Return the endpoints whose last delivery failed."""
    return WebhookEndpoint.unscoped.filter(failing_since__isnull=False)


def find_needs(user: Staff) -> list[Need]:
    """Return what needs somebody, of that which `user` may see."""
    needs: list[Need] = []
    if user.has_perm("batches.view_recipient"):
        needs += _of_review(user)
    if user.has_perm("batches.view_batch"):
        needs += _of_batches(user)
    if user.has_perm("telephony.view_phonenumber"):
        needs += _of_numbers(user)
    if user.has_perm("agents.view_agent"):
        needs += _of_agents(user)
    if user.has_perm("webhooks.view_webhookendpoint"):
        needs += _of_webhooks(user)
    if user.has_perm(EVERY_WORKSPACE):
        needs += [_of_finding(finding) for finding in check_disk()]
    return needs


def count_up_to(rows: QuerySet[Any], limit: int) -> int:
    """Return how many rows there are, or `limit` + 1 for more."""
    return rows.order_by()[: limit + 1].count()


def _of_review(user: Staff) -> Iterator[Need]:
    if count := count_up_to(limit_rows(in_review(), user), MAX_COUNTED):
        text = (
            f"{min(count, MAX_COUNTED):,}{'+' if count > MAX_COUNTED else ''} wait for a decision"
        )
        yield Need("Review", text, reverse("admin:review"))


def _of_batches(user: Staff) -> Iterator[Need]:
    """Yield batches that paused themselves or failed, and lists of which many rows were refused."""
    batches = limit_rows(Batch.unscoped.select_related("workspace"), user).order_by("-pk")
    paused = batches.filter(status=Batch.Status.PAUSED, error__isnull=False)
    for batch in paused[:MAX_NAMED]:
        by_itself = "paused itself: " if has_paused_itself(batch) else ""
        yield _of_batch(batch, f"{by_itself}{batch.error}")
    waiting = batches.filter(status__in=Batch.Status.waiting(), rows_read__gt=0)
    refused = waiting.filter(rejected_count__gt=F("rows_read") * MAX_REFUSED_SHARE)
    for batch in refused[:MAX_NAMED]:
        text = f"{batch.rejected_count:,} of {batch.rows_read:,} rows were refused"
        yield _of_batch(batch, text)


def _of_batch(batch: Batch, text: str) -> Need:
    url = reverse("admin:batches_batch_change", args=[batch.pk])
    return Need(f"{batch.workspace.name}: {batch.name}", text, url)


def _of_numbers(user: Staff) -> Iterator[Need]:
    numbers = limit_rows(failing_numbers().select_related("workspace", "pace"), user)
    for number in numbers.order_by("-pk")[:MAX_NAMED]:
        pace = getattr(number, "pace", None)
        text = (pace and pace.trouble) or "could not be set up at LiveKit"
        yield _of_number(number, text)
    drifted = limit_rows(PhoneNumber.unscoped.select_related("workspace"), user).exclude(drift=[])
    for number in drifted.order_by("-pk")[:MAX_NAMED]:
        yield _of_number(number, f"differs from LiveKit: {'; '.join(map(str, number.drift))}")


def _of_number(number: PhoneNumber, text: str) -> Need:
    url = reverse("admin:telephony_phonenumber_change", args=[number.pk])
    return Need(f"{number.workspace.name}: {number.label or number.phone_number}", text, url)


def _of_agents(user: Staff) -> Iterator[Need]:
    """Yield agents whose published version no voice worker can play."""
    versions = limit_rows(AgentVersion.unscoped.all(), user)
    for version in find_unspoken_versions(versions)[:MAX_NAMED]:
        url = reverse("admin:agents_agent_change", args=[version.agent_id])
        text = f"version {version.version}, which talks on calls: {'. '.join(version.warnings)}"
        yield Need(f"{version.workspace_name}: {version.name}", text, url)


def _of_webhooks(user: Staff) -> Iterator[Need]:
    endpoints = limit_rows(failing_webhooks().select_related("workspace"), user)
    for endpoint in endpoints.order_by("failing_since")[:MAX_NAMED]:
        url = reverse("admin:webhooks_webhookendpoint_change", args=[endpoint.pk])
        text = f"deliveries have failed since {endpoint.failing_since:%d %b %H:%M} UTC"
        yield Need(f"{endpoint.workspace.name}: {endpoint.url}", text, url)


def _of_finding(finding: Finding) -> Need:
    return Need("Disk", f"{finding.description}; {finding.fix}", tone="bad")
