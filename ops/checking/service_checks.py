"""The doctor's checks of what stands around the application: database, broker, LiveKit, Twilio,
recordings, and the address at which LiveKit reaches us.

A check reports a failure as a finding instead of raising it, and never puts a secret into one.
"""

import requests
from django.conf import settings
from django.db import connection

from ops.checking.dependencies import (
    UnreachableError,
    UnsupportedBrokerError,
    broker_scheme,
    count_missing_migrations,
    is_file_broker_writable,
    is_loopback,
    reach_broker,
    session_for,
    write_and_read_storage,
)
from ops.checking.findings import Finding, bad, join_first, ok, warning
from telephony.clients import recording_storage
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.egress import try_egress
from telephony.clients.livekit.errors import is_timeout
from telephony.clients.livekit.session import run_in_session
from telephony.clients.twilio.client import Twilio
from telephony.models import PhoneNumber
from telephony.services.purchase import list_twilio_tags
from voiceops.core.errors import ProviderError

DOCTOR_TIMEOUT_SECONDS = 5


def check_database() -> Finding:
    name = "database"
    vendor = connection.vendor
    try:
        missing = count_missing_migrations()
    except UnreachableError as error:
        return bad(name, f"{vendor} cannot be used ({error})", "start it, check DATABASE_URL")
    if missing:
        return bad(name, f"{missing} migrations are missing", "python manage.py migrate")
    return ok(name, f"{vendor}, migrated")


def check_broker() -> Finding:
    name = "broker"
    scheme = broker_scheme()
    try:
        reach_broker(timeout_seconds=DOCTOR_TIMEOUT_SECONDS)
    except UnsupportedBrokerError as error:
        fix = "set CELERY_BROKER_URL to redis://… or amqp://…, or unset it"
        return bad(name, str(error), fix)
    except UnreachableError as error:
        fix = "start it, check CELERY_BROKER_URL"
        return bad(name, f"{scheme} cannot be reached ({error})", fix)
    if scheme == "filesystem" and not is_file_broker_writable():
        fix = "make DATA_DIR writable, or set CELERY_BROKER_URL"
        return bad(name, "its folder is not writable", fix)
    return ok(name, f"{scheme} responds")


def check_livekit() -> Finding:
    """Listing the trunks needs LiveKit itself and an API key that it accepts."""
    name = "livekit"
    try:
        found = livekit_trunks.find_all_trunks()
    except ProviderError as error:
        fix = (
            "start it (the sandbox: python manage.py sandbox), "
            "check LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET"
        )
        return bad(name, str(error), fix)
    counts = f"{len(found.outbound)} outbound and {len(found.inbound)} inbound trunks"
    return ok(name, f"responds, with {counts}")


def check_twilio() -> Finding:
    name = "twilio"
    if not (settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN):
        return ok(name, "not configured, numbers cannot be bought")
    try:
        status = Twilio().account_status()
        tags = list_twilio_tags()
    except ProviderError as error:
        fix = "check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and the account's funds"
        return bad(name, str(error), fix)
    if status != "active":
        fix = "add funds or have it reactivated in the Twilio console"
        return bad(name, f"the account is {status}", fix)
    if orphans := sorted(tags - known_tags()):
        fix = "release them in the Twilio console unless another installation uses them"
        return warning(name, f"resources without a number here: {join_first(orphans)}", fix)
    return ok(name, "the account is active")


def known_tags() -> set[str]:
    """The tags that resources of our numbers have at Twilio."""
    return {f"voiceops-{pk}" for pk in PhoneNumber.unscoped.values_list("pk", flat=True)}


def check_storage() -> Finding:
    """Whether a recording can be written, and read through a signed link as a browser does."""
    name = "recordings"
    if recording_storage.uses_s3():
        place, fix = "the bucket", "check the S3_* settings and the key's rights"
    else:
        place, fix = "DATA_DIR/recordings", "make DATA_DIR writable"
    try:
        same = write_and_read_storage()
    except UnreachableError as error:
        return bad(name, f"{place} cannot be written and read: {error}", fix)
    if not same:
        return bad(name, f"{place} was written, but a signed link returns something else", fix)
    return ok(name, f"{place} can be written and read")


def check_egress() -> Finding:
    """Whether a recording can be started: LiveKit accepts everything else without an egress."""
    name = "egress"
    try:
        livekit_trunks.find_all_trunks()
    except ProviderError:
        return warning(name, "not checked", "LiveKit must respond first")
    try:
        run_in_session(try_egress)
    except ProviderError as error:
        if is_timeout(error):
            fix = "run livekit-egress with LiveKit's Redis, or set recording_enabled to false"
            return bad(name, "no egress service answers, so no call is recorded", fix)
        return bad(name, str(error), "check LiveKit's egress service and the S3_* settings")
    return ok(name, "a recording was started and stopped")


def check_webhook() -> Finding:
    """Whether PUBLIC_URL leads to our own server: only ours refuses an unsigned event with 401."""
    name = "webhook"
    url = f"{settings.PUBLIC_URL}/livekit/webhook"
    fix = "run the web server where PUBLIC_URL leads, and enter that address in LiveKit's settings"
    try:
        status = post_unsigned_event(url)
    except requests.RequestException as error:
        return bad(name, f"{url} cannot be reached from here ({type(error).__name__})", fix)
    if status != 401:
        return bad(name, f"{url} answers {status}, not 401, to an unsigned event", fix)
    if is_loopback(settings.PUBLIC_URL) and not settings.USES_SANDBOX:
        fix = "set PUBLIC_URL to an address LiveKit can reach"
        return bad(name, f"{url} leads to this machine only", fix)
    return ok(name, f"{url} refuses unsigned events")


def post_unsigned_event(url: str) -> int:
    """The status of the response. Raises requests.RequestException."""
    response = session_for(url).post(
        url,
        data=b"{}",
        headers={"Content-Type": "application/webhook+json"},
        timeout=DOCTOR_TIMEOUT_SECONDS,
        allow_redirects=False,
    )
    return response.status_code
