"""The doctor's checks of the installation itself: settings, secrets, phone numbers at LiveKit, and
alarms of calls.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import combinations

from django.conf import settings
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db.models import F, QuerySet

from agents.models import AgentVersion
from ops.checking.findings import Finding, bad, join_first, ok, warning
from ops.checking.key_rotation import encrypted_columns, outdated_rows
from telephony.domain.agent_metadata import describe_metadata_limit
from telephony.models import CallEvent, PhoneNumber
from telephony.services import drift
from telephony.services.metadata_checks import fits
from voiceops.core import crypto
from voiceops.core.clock import database_now
from voiceops.core.disk_space import FULL_PERCENT, measure_fullness
from voiceops.core.env import MIN_SECRET_LENGTH
from voiceops.core.errors import ProviderError

ALARM_AGE = timedelta(days=1)
MAX_CHECKED_AGENTS = 1000


def check_settings() -> Iterator[Finding]:
    """The settings that every other command refuses to start with; nothing when there are none."""
    # manage.py runs these before other commands; the doctor switches that off and reports them.
    for message in run_checks():
        verdict = bad if message.is_serious() else warning
        yield verdict("settings", message.msg.rstrip("."), message.hint or "see .env.example")


def check_secrets() -> Finding:
    name = "secrets"
    try:
        outdated = sum(outdated_rows(column).count() for column in encrypted_columns())
    except ImproperlyConfigured as error:
        return bad(name, str(error), "set FIELD_ENCRYPTION_KEYS as .env.example describes")
    if examples := variables_with_example_secrets():
        fix = "set secrets of your own before anyone else can reach this server"
        return warning(name, f"still the example: {', '.join(examples)}", fix)
    if weakness := describe_weak_secrets():
        return bad(name, weakness, "python ops/new_secrets.py prints new ones")
    if outdated:
        description = f"{outdated} are encrypted with an old key"
        return warning(name, description, "python manage.py rotate_keys")
    return ok(name, "set, distinct, and encrypted with the newest key")


def variables_with_example_secrets() -> list[str]:
    return [
        variable
        for variable, example in settings.EXAMPLE_SECRETS.items()
        if settings.SECRETS[variable] == example
    ]


def describe_weak_secrets() -> str:
    """Names the secrets that are too short or equal to another; empty when none is."""
    secrets = {
        name: getattr(settings, name)
        for name in ("SECRET_KEY", "JWT_API_SECRET", "LIVEKIT_API_SECRET")
    }
    # Old values still verify tokens and decrypt columns, so they must be as strong.
    for name in ("FIELD_ENCRYPTION_KEYS", "JWT_API_SECRET_FALLBACKS"):
        for index, value in enumerate(getattr(settings, name)):
            secrets[f"{name}[{index}]"] = value

    if short := [name for name, value in secrets.items() if len(value) < MIN_SECRET_LENGTH]:
        return f"fewer than {MIN_SECRET_LENGTH} characters: {', '.join(short)}"
    same = [
        f"{one} and {other}"
        for one, other in combinations(secrets, 2)
        if secrets[one] == secrets[other]
    ]
    return f"the same: {', '.join(same)}" if same else ""


def check_drift() -> Finding:
    """Whether LiveKit has the trunks and rules that the rows of our numbers describe."""
    name = "drift"
    try:
        drifted, orphans = drift.check_all()
    except ProviderError:
        return warning(name, "not checked: LiveKit must respond first", "see livekit")
    except crypto.DecryptError as error:
        description = f"a SIP password cannot be read: {error}"
        return bad(name, description, "put the key back into FIELD_ENCRYPTION_KEYS")

    return describe_drift(drifted, orphans)


def describe_drift(drifted: Sequence[drift.DriftedRow], orphans: Sequence[str]) -> Finding:
    """The finding for rows that differ from LiveKit, and for LiveKit's trunks without a row."""
    name = "drift"
    if drifted:
        rows = [f"{each.row}: {'; '.join(each.differences)}" for each in drifted]
        return bad(name, join_first(rows), "python manage.py doctor --repair")
    unfinished = PhoneNumber.unscoped.filter(status=PhoneNumber.Status.ERROR)
    if numbers := list(unfinished.values_list("phone_number", flat=True)):
        fix = "python manage.py doctor --repair, the worker tries again too"
        return bad(name, f"not removed yet: {join_first(numbers)}", fix)
    if orphans:
        fix = "delete them at LiveKit unless another installation uses them"
        return warning(
            name, f"LiveKit has trunks without a number here: {join_first(orphans)}", fix
        )
    return ok(name, "LiveKit has exactly what our numbers need")


def check_agents() -> Iterator[Finding]:
    """Published agents whose settings LiveKit would refuse; nothing when there are none."""
    too_long = [
        f"{version.agent.name} ({version.agent_id})"
        for version in newest_published_versions()
        if not fits(version)
    ]
    if too_long:
        limit = describe_metadata_limit()
        description = f"too long for LiveKit, which accepts {limit}: {join_first(too_long)}"
        yield bad(
            "agents", description, "shorten them, or raise limit.max_metadata_size at LiveKit"
        )


def newest_published_versions() -> QuerySet[AgentVersion]:
    """Return the versions that calls run, with their agents, as many as are checked."""
    published = AgentVersion.unscoped.filter(
        number=F("agent__published_version"), agent__deleted_at=None
    )
    return published.select_related("agent").order_by("-pk")[:MAX_CHECKED_AGENTS]


def check_alarms() -> Iterator[Finding]:
    """Evidence that arrived after a call had ended and contradicts its end; nothing when there is
    none.
    """
    alarms = CallEvent.unscoped.filter(type="alarm", at__gte=database_now() - ALARM_AGE)
    newest = alarms.order_by("-at").first()
    if newest is None:
        return
    count = alarms.count()
    alarm_count = f"{count} alarm{'' if count == 1 else 's'}"
    description = f"{alarm_count} within a day, the newest of call {newest.call_id}: {newest.text}"
    fix = "read that call's events; the others are under Call events in the admin"
    yield warning("calls", description, fix)


def check_disk() -> Iterator[Finding]:
    """How full DATA_DIR is; nothing while there is enough room."""
    try:
        fullness = measure_fullness()
    except OSError as error:
        yield bad("disk", f"DATA_DIR cannot be read ({error.strerror})", "check DATA_DIR")
        return
    fix = "delete old recordings, raise MAX_DATA_DIR_BYTES, or give DATA_DIR a larger disk"
    if fullness.percent >= FULL_PERCENT:
        yield bad("disk", f"uploads are refused: {fullness}", fix)
    elif fullness.is_alarming:
        yield warning("disk", str(fullness), fix)
