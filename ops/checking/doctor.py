"""Is the installation ready? Runs every check in order, and repairs what LiveKit lacks."""

from collections.abc import Callable, Iterator

from ops.checking.findings import Finding, Verdict, warning
from ops.checking.inbound_checks import check_inbound
from ops.checking.installation_checks import (
    check_agents,
    check_alarms,
    check_disk,
    check_drift,
    check_secrets,
    check_settings,
)
from ops.checking.service_checks import (
    check_broker,
    check_database,
    check_egress,
    check_livekit,
    check_storage,
    check_twilio,
    check_webhook,
)
from ops.checking.voice_checks import check_voice_workers
from telephony.models import PhoneNumber
from telephony.services import drift
from telephony.services.numbers import clean_provisioning

CHECKS: tuple[Callable[[], Finding], ...] = (
    check_broker,
    check_livekit,
    check_twilio,
    check_storage,
    check_egress,
    check_webhook,
    check_secrets,
)
# These read rows, so without a database they are skipped; their names stay in the report.
NEEDS_DATABASE: dict[Callable[[], Finding], str] = {
    check_twilio: "twilio",
    check_secrets: "secrets",
}


def run_doctor() -> Iterator[Finding]:
    """Yields each finding as soon as its check is done."""
    yield from check_settings()
    # First, because most later checks read rows and would all report the same lost connection.
    database = check_database()
    yield database
    has_database = database.verdict is not Verdict.BAD
    for check in CHECKS:
        if check in NEEDS_DATABASE and not has_database:
            yield warning(NEEDS_DATABASE[check], "not checked", "the database must respond first")
        else:
            yield check()
    yield from check_disk()
    if has_database:
        yield check_drift()
        yield from check_agents()
        yield from check_voice_workers()
        yield from check_inbound()
        yield from check_alarms()


def repair_numbers() -> Iterator[PhoneNumber]:
    """Finish removals, and give LiveKit what drifted numbers need; yields each repaired number.

    Raises ProviderError and StateForbids, with the numbers before it repaired.
    """
    # Removals first: a number that is being removed must not get its trunks back.
    clean_provisioning()
    drifted, _ = drift.check_all()
    for each in drifted:
        if isinstance(each.row, PhoneNumber):
            drift.repair_number(number=each.row)
            yield each.row
