"""Reports kept under a name, and who gets them by e-mail each Monday."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core import signing
from django.db import IntegrityError, transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import User, Workspace
from batches.models import ReportSubscription, SavedReport
from voiceops.core.errors import Conflict, Invalid

MAX_SAVED_REPORTS = 50  # of a workspace
MAIL_TIME = time(7)  # of the workspace's Monday
SUBSCRIPTION_SALT = "batches.report_subscription"
REPORT_EXISTS = "Saved report already exists"


def save_report(
    *,
    workspace: Workspace,
    name: str,
    days: int | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    principal: Principal | None = None,
) -> SavedReport:
    """Keep a range under a name.

    Raises Conflict when the workspace has one with this name, and Invalid when it has as many as
    it may.
    """
    report = SavedReport(
        workspace=workspace, name=name, days=days, first_day=first_day, last_day=last_day
    )
    with transaction.atomic():
        workspace.lock()
        if workspace.saved_reports.count() >= MAX_SAVED_REPORTS:
            raise Invalid(f"A workspace keeps at most {MAX_SAVED_REPORTS} reports")
        if workspace.saved_reports.filter(name=name).exists():
            raise Conflict(REPORT_EXISTS)
        report.save()
        audit.record(
            "saved_report.created", principal=principal, target=report, changes={"name": name}
        )
    return report


def delete_report(*, report: SavedReport, principal: Principal | None = None) -> None:
    """Forget a report. Nobody gets it by e-mail any more."""
    with transaction.atomic():
        changes = {"name": report.name}
        audit.record("saved_report.deleted", principal=principal, target=report, changes=changes)
        report.delete()


def subscribe(
    *,
    report: SavedReport,
    user: User,
    principal: Principal,
    now: datetime,
    language: str = settings.LANGUAGE_CODE,
) -> None:
    """Send the user the report each Monday, until they end it, in the language asked for last.

    Raises Invalid for a report of fixed days, which would be the same each week.
    """
    if report.days is None:
        raise Invalid("A weekly e-mail needs a number of days, not fixed ones")
    due_at = next_monday(now, report.workspace)
    try:
        with transaction.atomic():
            ReportSubscription.unscoped.create(
                workspace_id=report.workspace_id,
                report=report,
                user=user,
                due_at=due_at,
                language=language,
            )
            audit.record("saved_report.subscribed", principal=principal, target=report)
    except IntegrityError:
        if not report.subscriptions.filter(user=user).update(language=language):
            raise


def unsubscribe(*, report: SavedReport, user: User, principal: Principal) -> None:
    """End the user's weekly e-mail of the report, if there is one."""
    with transaction.atomic():
        if report.subscriptions.filter(user=user).delete()[0]:
            audit.record("saved_report.unsubscribed", principal=principal, target=report)


def subscription_token(subscription: ReportSubscription) -> str:
    """Return what an e-mail carries to end it without a session. It never expires."""
    return signing.Signer(salt=SUBSCRIPTION_SALT).sign(subscription.pk.hex)


def find_subscription(token: str) -> ReportSubscription | None:
    """Return the subscription that a token of its e-mails names.

    None when it was ended already, or the token is none of ours.
    """
    try:
        pk = signing.Signer(salt=SUBSCRIPTION_SALT).unsign(token)
    except signing.BadSignature:
        return None
    rows = ReportSubscription.unscoped.select_related("report", "workspace", "user")
    return rows.filter(pk=pk).first()


def end_subscription(subscription: ReportSubscription) -> None:
    """End a weekly e-mail by the link in it, which proves whose it is."""
    principal = Principal.for_user(subscription.user, workspace=subscription.workspace)
    unsubscribe(report=subscription.report, user=subscription.user, principal=principal)


def next_monday(now: datetime, workspace: Workspace) -> datetime:
    """Return when the next weekly e-mail of the workspace is due, after `now`."""
    zone = ZoneInfo(workspace.timezone)
    local = now.astimezone(zone)
    monday = local.date() + timedelta(days=-local.weekday() % 7)
    due_at = datetime.combine(monday, MAIL_TIME, zone)
    return due_at if due_at > now else due_at + timedelta(days=7)
