"""Saved reports by e-mail each Monday: each once, whichever workers run and die.

A worker claims an e-mail by moving `due_at` to the end of a lease, so that another takes it up if
this one dies while it reads the figures. Just before it hands the e-mail to the mail server it
moves `due_at` on to the next Monday: nobody gets one twice. Only a worker that dies in these
moments loses one, and a mail server that refuses it is tried again.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from accounts.services import email_delivery
from batches.models import ReportSubscription
from batches.reporting import report_mail
from batches.services.saved_reports import next_monday, subscription_token
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.isolation import run_isolated

logger = logging.getLogger(__name__)
MAIL_LEASE = timedelta(minutes=10)
MAIL_RETRY = timedelta(minutes=15)
MAILS_A_ROUND = 200


def enqueue_due_reports() -> None:
    """Wake a worker for weekly e-mails that are due."""
    if _due(database_now()).exists():
        task_queue.enqueue(task_queue.SEND_REPORTS)


def send_due_reports() -> None:
    """Send the weekly e-mails that are due. One that fails holds back no other."""
    rows = _due(database_now()).select_related("report", "workspace", "user")
    for subscription in rows.order_by("due_at")[:MAILS_A_ROUND]:
        run_isolated(send_report, subscription)


def send_report(subscription: ReportSubscription) -> bool:
    """Send one weekly e-mail, unless another worker does; returns whether it was sent."""
    now = database_now()
    if not _move(subscription, now + MAIL_LEASE):
        return False
    user, workspace = subscription.user, subscription.workspace
    if not (user.is_active and workspace.memberships.filter(user=user).exists()):
        subscription.delete()
        return False
    mail = report_mail.compose(
        report=subscription.report,
        workspace=workspace,
        now=now,
        language=subscription.language,
        unsubscribe_url=f"{settings.PUBLIC_URL}/console/unsubscribe/{subscription_token(subscription)}",
    )
    before = subscription.sent_at
    if not _move(subscription, next_monday(now, workspace), sent_at=now):
        return False  # reading took longer than the lease, and another worker has begun
    if email_delivery.send_at_once(
        user.email, mail.subject, mail.text, html=mail.html, headers=mail.headers
    ):
        return True
    _move(subscription, now + MAIL_RETRY, sent_at=before)
    return False


def _due(now: datetime) -> QuerySet[ReportSubscription]:
    return ReportSubscription.unscoped.filter(due_at__lte=now)


def _move(subscription: ReportSubscription, due_at: datetime, **changes: datetime | None) -> bool:
    """Set when the subscription is due next; False when another worker has moved it."""
    rows = ReportSubscription.unscoped.filter(pk=subscription.pk, due_at=subscription.due_at)
    moved = rows.update(due_at=due_at, **changes) == 1
    if moved:
        subscription.due_at = due_at
    return moved
