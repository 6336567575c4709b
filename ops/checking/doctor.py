"""Is it ready? Each check looks at one thing the installation needs, and says in one line what it
found.

A check never raises for what it looks for; a failure names the mend. Nothing of a secret is ever in
a line.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import combinations
from urllib.parse import urlsplit
from uuid import uuid4

import requests
from celery import current_app
from django.conf import settings
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError

from ops.checking.key_rotation import encrypted_columns, outdated
from telephony.clients import recording_storage
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.twilio.client import Twilio
from telephony.models import CallEvent, PhoneNumber
from telephony.services import drift
from telephony.services.purchase import tags_at_twilio
from voiceops.core import crypto
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError

PATIENCE = 5  # seconds
DAY = timedelta(days=1)
SHORTEST_SECRET = 32  # characters
PROBE = b"VoiceOps doctor"
CHECKED_FIRST = "not checked: LiveKit must answer first"


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but somebody should know
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    name: str
    verdict: Verdict
    said: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict.value:<8}{self.name:<12}{self.said}"
        return f"{line}. Mend: {self.mend}" if self.mend else line


def ok(name: str, said: str) -> Finding:
    return Finding(name, Verdict.OK, said)


def bad(name: str, said: str, mend: str) -> Finding:
    return Finding(name, Verdict.BAD, said, mend)


def warning(name: str, said: str, mend: str) -> Finding:
    return Finding(name, Verdict.WARNING, said, mend)


def check_all() -> Iterator[Finding]:
    """One finding after the other, as they are found."""
    yield from check_settings()
    database = check_database()
    yield database
    for check in (
        check_broker,
        check_livekit,
        check_twilio,
        check_storage,
        check_webhook,
        check_secrets,
    ):
        if database.verdict is Verdict.BAD and check in NEEDS_DATABASE:
            yield warning(NEEDS_DATABASE[check], "not checked", "let the database answer first")
        else:
            yield check()
    if database.verdict is Verdict.OK:
        yield check_drift()
        yield from check_alarms()


def check_settings() -> Iterator[Finding]:
    """What other commands refuse to start for; nothing where there is nothing."""
    for trouble in run_checks():
        verdict = bad if trouble.is_serious() else warning
        yield verdict("settings", trouble.msg.rstrip("."), trouble.hint or "see .env.example")


def check_database() -> Finding:
    name = "database"
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return bad(
            name,
            f"{connection.vendor} cannot be used ({type(error).__name__})",
            "start it, check DATABASE_URL",
        )
    if waiting:
        return bad(name, f"{len(waiting)} migrations are missing", "python manage.py migrate")
    return ok(name, f"{connection.vendor}, migrated")


def check_broker() -> Finding:
    name = "broker"
    scheme = urlsplit(settings.CELERY_BROKER_URL).scheme
    try:
        with current_app.connection_for_write(connect_timeout=PATIENCE) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
    except (
        KeyError,
        NameError,
        ImportError,
    ):  # kombu knows more of them than have their library installed here
        return bad(
            name,
            f"{scheme} is no broker we know",
            "set CELERY_BROKER_URL to redis://… or amqp://…, or unset it",
        )
    except (OperationalError, OSError) as error:
        return bad(
            name,
            f"{scheme} cannot be reached ({type(error).__name__})",
            "start it, check CELERY_BROKER_URL",
        )
    if scheme == "filesystem" and not os.access(settings.DATA_DIR / "broker" / "queue", os.W_OK):
        return bad(
            name, "its folder cannot be written", "make DATA_DIR writable, or set CELERY_BROKER_URL"
        )
    return ok(name, f"{scheme} answers")


def check_livekit() -> Finding:
    name = "livekit"
    try:
        found = livekit_trunks.find_all_trunks()
    except ProviderError as error:
        mend = "start it (the sandbox: python manage.py sandbox), check LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET"
        return bad(name, str(error), mend)
    return ok(
        name,
        f"answers, with {len(found.outbound)} outbound and {len(found.inbound)} inbound trunks",
    )


def check_twilio() -> Finding:
    name = "twilio"
    if not (settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN):
        return ok(name, "not configured, numbers cannot be bought")
    try:
        status = Twilio().account_status()
        ours = tags_at_twilio()
    except ProviderError as error:
        return bad(
            name, str(error), "check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and the account's funds"
        )
    if status != "active":
        return bad(
            name,
            f"the account is {status}",
            "add funds or have it reactivated in the Twilio console",
        )
    known = {f"voiceops-{pk}" for pk in PhoneNumber.unscoped.values_list("pk", flat=True)}
    if orphans := sorted(ours - known):
        mend = "release them in the Twilio console unless another installation uses them"
        return warning(name, f"things that no number here owns: {listed(orphans)}", mend)
    return ok(name, "the account is active")


def check_storage() -> Finding:
    """A write, and a read through a signed link, as a browser would do it."""
    name = "recordings"
    where = "the bucket" if recording_storage.uses_s3() else "DATA_DIR/recordings"
    mend = (
        "check the S3_* settings and the key's rights"
        if recording_storage.uses_s3()
        else "make DATA_DIR writable"
    )
    key = f"doctor-{uuid4()}"
    try:
        with recording_storage.storage_errors():
            kept = recording_storage.recordings_storage().save(key, ContentFile(PROBE))
        read = read_back(kept)
        recording_storage.delete(kept)
    except (
        ProviderError,
        OSError,
        ValueError,
    ) as error:  # ValueError: an endpoint that is no address
        words = str(error).rstrip(".") if isinstance(error, ProviderError) else type(error).__name__
        return bad(name, f"{where} cannot be written and read: {words}", mend)
    if read != PROBE:
        return bad(name, f"{where} was written, but a signed link does not give it back", mend)
    return ok(name, f"{where} can be written and read")


def read_back(key: str) -> bytes:
    if not recording_storage.uses_s3():
        with recording_storage.recordings_storage().open(key) as file:
            return bytes(file.read())
    link, _ = recording_storage.link_to(key, recording_id=uuid4(), filename="doctor")
    return session_for(link).get(link, timeout=PATIENCE).content


def check_webhook() -> Finding:
    """An unsigned event must be refused by us, at the address LiveKit and the agents are told."""
    name = "webhook"
    url = f"{settings.PUBLIC_URL}/livekit/webhook"
    mend = "run the web server where PUBLIC_URL leads, and enter that address in LiveKit's settings"
    try:
        answer = session_for(url).post(
            url,
            data=b"{}",
            headers={"Content-Type": "application/webhook+json"},
            timeout=PATIENCE,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return bad(name, f"{url} cannot be reached from here ({type(error).__name__})", mend)
    if answer.status_code != 401:
        return bad(name, f"{url} answers {answer.status_code}, not 401, to an unsigned event", mend)
    if is_loopback(settings.PUBLIC_URL) and not settings.USES_SANDBOX:
        return bad(
            name,
            f"{url} leads to this machine only",
            "set PUBLIC_URL to an address LiveKit can reach",
        )
    return ok(name, f"{url} refuses unsigned events")


def session_for(url: str) -> requests.Session:
    """A proxy of the environment does not lead to this machine."""
    session = requests.Session()
    session.trust_env = not is_loopback(url)
    return session


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def check_secrets() -> Finding:
    name = "secrets"
    try:
        old = sum(outdated(column).count() for column in encrypted_columns())
    except ImproperlyConfigured as error:
        return bad(name, str(error), "set FIELD_ENCRYPTION_KEYS as .env.example says")
    examples = [
        each
        for each, example in settings.EXAMPLE_SECRETS.items()
        if settings.SECRETS[each] == example
    ]
    if examples:
        said = f"still the example: {', '.join(examples)}"
        return warning(
            name, said, "set them to secrets of your own before anybody else can reach this"
        )
    if weak := weak_secrets():
        return bad(name, weak, "make new ones, as python ops/new_secrets.py prints them")
    if old:
        return warning(name, f"{old} are encrypted with an old key", "python manage.py rotate_keys")
    return ok(name, "set, distinct, and the newest key encrypts")


def weak_secrets() -> str:
    """Which are too short or the same as another, in words; "" when none is."""
    values = {
        name: getattr(settings, name)
        for name in ("SECRET_KEY", "JWT_API_SECRET", "LIVEKIT_API_SECRET")
    }
    values |= {
        f"FIELD_ENCRYPTION_KEYS[{place}]": key
        for place, key in enumerate(settings.FIELD_ENCRYPTION_KEYS)
    }
    values |= {
        f"JWT_API_SECRET_FALLBACKS[{at}]": old
        for at, old in enumerate(settings.JWT_API_SECRET_FALLBACKS)
    }
    if short := [name for name, value in values.items() if len(value) < SHORTEST_SECRET]:
        return f"fewer than {SHORTEST_SECRET} characters: {', '.join(short)}"
    same = [
        f"{one} and {other}"
        for one, other in combinations(values, 2)
        if values[one] == values[other]
    ]
    return f"the same: {', '.join(same)}" if same else ""


def check_drift() -> Finding:
    name = "drift"
    try:
        drifted, orphans = drift.check_everything()
    except ProviderError:
        return warning(name, CHECKED_FIRST, "see livekit")
    except crypto.DecryptError as error:
        return bad(
            name,
            f"a SIP password cannot be read: {error}",
            "put the key back into FIELD_ENCRYPTION_KEYS",
        )
    unfinished = PhoneNumber.unscoped.filter(status=PhoneNumber.Status.ERROR).values_list(
        "phone_number", flat=True
    )
    if drifted:
        said = listed([f"{each.row}: {'; '.join(each.differences)}" for each in drifted])
        return bad(name, said, "python manage.py doctor --repair")
    if unfinished:
        said = f"not removed yet: {listed(list(unfinished))}"
        return bad(name, said, "python manage.py doctor --repair, the worker tries again too")
    if orphans:
        mend = "delete them at LiveKit unless another installation uses them"
        return warning(
            name, f"LiveKit has things that no number here owns: {listed(orphans)}", mend
        )
    return ok(name, "LiveKit has exactly what our numbers say")


def check_alarms() -> Iterator[Finding]:
    """Evidence that came after a call had ended and speaks against its end; nothing where there is
    none.
    """
    alarms = CallEvent.unscoped.filter(type="alarm", at__gte=database_now() - DAY)
    newest = alarms.order_by("-at").first()
    if newest is not None:
        count = alarms.count()
        many = f"{count} alarm{'' if count == 1 else 's'}"
        said = f"{many} within a day, the newest of call {newest.call_id}: {newest.text}"
        yield warning(
            "calls", said, "read that call's events; more of them under Call events in the admin"
        )


def listed(words: list[str], most: int = 5) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


NEEDS_DATABASE: dict[Callable[[], Finding], str] = {
    check_twilio: "twilio",
    check_secrets: "secrets",
}
