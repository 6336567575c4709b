"""docs/reference/outcomes.md: how calls end, from the table of verdicts."""

from collections.abc import Iterator

from django.conf import settings

from telephony.domain.dial_verdicts import BY_REASON, NEVER_RANG, RULES, Verdict
from telephony.domain.evidence_tables import sip_statuses
from telephony.models import Outcome

EVIDENCE_PAGE = settings.BASE_DIR / "docs/reference/livekit-evidence.md"
BATCHES_PAGE = settings.BASE_DIR / "docs/batches.md"
# The outcomes of calls that were answered: no verdict on a dial leads to them.
ANSWERED_MEANINGS = {
    Outcome.ANSWERED: "Somebody picked up, and nothing shows that it was a machine",
    Outcome.VOICEMAIL: "A machine answered",
    Outcome.SCREENED: "A call screener took the call and put nobody through",
}
OUTCOMES_HEAD = f"""# Outcomes

Every `outcome` of a call, with the `end_reason`s that lead to it, written by `make docs` from
`telephony/domain/dial_verdicts.py`. An attempt *counts* when the callee's side answered for it:
only then does it use up one of the batch's attempts
([batches](../{BATCHES_PAGE.name})). What is not *sent* cannot have rung a phone. How
LiveKit's answers are read is in [a page of its own]({EVIDENCE_PAGE.name}).
"""


def outcomes_page() -> str:
    """Return the page."""
    return "\n".join([OUTCOMES_HEAD, *_outcomes(), "", *_sip_statuses()]) + "\n"


def _outcomes() -> Iterator[str]:
    yield from ("## By outcome", "", "| outcome | `end_reason` | what happened | counts | sent |")
    yield "|---|---|---|---|---|"
    for outcome, words in ANSWERED_MEANINGS.items():
        yield f"| `{outcome.value}` | who hung up, and why | {words} | yes | yes |"
    verdicts = sorted({*BY_REASON.values(), NEVER_RANG}, key=_order)
    yield from map(_outcome_row, verdicts)


def _order(verdict: Verdict) -> tuple[int, str]:
    return [*Outcome].index(verdict.outcome), verdict.reason


def _outcome_row(verdict: Verdict) -> str:
    counts, sent = ("yes" if flag else "no" for flag in (verdict.counts, verdict.sent))
    name, reason = verdict.outcome.value, verdict.reason
    return f"| `{name}` | `{reason}` | {verdict.description} | {counts} | {sent} |"


def _sip_statuses() -> Iterator[str]:
    yield from ("## By SIP status", "", "The first row that fits decides.", "")
    yield from ("| SIP status | with these words | outcome | `end_reason` |", "|---|---|---|---|")
    for rule in RULES:
        if rule.sip is not None:
            words = rule.contains.replace("|", "\\|")
            cells = (
                sip_statuses(rule),
                f"`{words}`" if words else "",
                f"`{rule.verdict.outcome.value}`",
                f"`{rule.verdict.reason}`",
            )
            yield f"| {' | '.join(cells)} |"
