"""The tables of evidence as Markdown, for `docs/reference/livekit-evidence.md`."""

from collections.abc import Iterable

from telephony.domain.dial_verdicts import RULES, Rule, Verdict
from telephony.domain.evidence import LEG_RULES, LegRule, Meaning, conclude_from_verdict
from telephony.domain.latest_ends import LATEST_ENDS

ANY = "any"
CONSEQUENCES = {
    Meaning.ANSWERED: "the call was answered, and is never repeated",
    Meaning.NOT_ANSWERED: "the attempt counts",
    Meaning.CARRIER_FAILED: "no attempt is counted",
    Meaning.NEVER_SENT: "no attempt is counted",
    Meaning.PROVES_NOTHING: "review, when nothing else proves more",
}
# What the agent reports, in the order of its weight.
AGENT_RULES = (
    (
        "`callee_answered`, `detected`; `callee_left` or `ended` by `callee_hangup`, "
        "`agent_hangup` or `max_duration`",
        Meaning.ANSWERED,
    ),
    ("`callee_left` with a reason of LiveKit", "as the departure without a `sip.callStatus`"),
    (
        "in the room from before the intent until the fence, and no callee seen by any source",
        Meaning.NEVER_SENT,
    ),
    ('`callee_joined`, `agent_alive` with `callee_status: "ringing"`', Meaning.PROVES_NOTHING),
)


def leg_table() -> list[str]:
    """Return what a leg's attributes and departure prove, as the rows of a Markdown table."""
    rows = [
        "| why it left | `sip.callStatus` | `sip.callTag`, `sip.callIDFull` | it rang "
        "| what happened | what it proves | outcome |",
        "|---|---|---|---|---|---|---|",
    ]
    return rows + [_leg_row(rule) for rule in LEG_RULES]


def dial_table() -> list[str]:
    """Return what the answers to a dial request mean, as the rows of a Markdown table."""
    rows = [
        "| SIP status | LiveKit's answer | in its words | outcome | `end_reason` | what follows |",
        "|---|---|---|---|---|---|",
    ]
    return rows + [_dial_row(rule) for rule in RULES]


def agent_table() -> list[str]:
    """Return what the agent's reports prove, as the rows of a Markdown table."""
    rows = ["| the agent reports | what it proves |", "|---|---|"]
    return rows + [f"| {report} | {meaning} |" for report, meaning in AGENT_RULES]


def latest_end_table() -> list[str]:
    """Return the latest end of every stage, as the rows of a Markdown table."""
    rows = ["| stage | counted from the end of | margin | then |", "|---|---|---|---|"]
    for row in LATEST_ENDS:
        seconds = int(row.margin.total_seconds())
        rows.append(f"| {row.stage} | {row.limit} | {seconds} s | {row.end} |")
    return rows


def sip_statuses(rule: Rule) -> str:
    """Return the SIP statuses that a rule is about."""
    return "none" if rule.sip is None else _ranges(sorted(rule.sip))


def _leg_row(rule: LegRule) -> str:
    cells = (
        _names(rule.reasons),
        _names(rule.statuses),
        _yes_or_no(rule.has_answer_attributes),
        _yes_or_no(rule.rang),
        rule.words,
        f"{rule.meaning}: {CONSEQUENCES[rule.meaning]}",
        _outcome(rule.verdict, rule.meaning),
    )
    return f"| {' | '.join(cells)} |"


def _dial_row(rule: Rule) -> str:
    verdict = rule.verdict
    marks = " ".join(str(mark) for mark in (rule.status or "", rule.code) if mark)
    pattern = rule.contains.replace("|", "\\|")
    meaning = conclude_from_verdict(verdict).meaning
    sent = "" if verdict.sent else "; nothing was sent"
    cells = (
        sip_statuses(rule),
        marks or ANY,
        f"`{pattern}`" if pattern else ANY,
        _outcome(verdict, meaning),
        f"`{verdict.reason}`",
        CONSEQUENCES[meaning] + sent,
    )
    return f"| {' | '.join(cells)} |"


def _names(values: Iterable[str | None] | None) -> str:
    if values is None:
        return ANY
    words = {None: "still in the room", "": "none"}
    return ", ".join(sorted(words.get(name) or f"`{name}`" for name in values))


def _yes_or_no(value: bool | None) -> str:
    return ANY if value is None else ("yes" if value else "no")


def _outcome(verdict: Verdict | None, meaning: Meaning) -> str:
    if verdict is not None:
        return f"`{verdict.outcome.value}`"
    return "`answered`, `voicemail`" if meaning is Meaning.ANSWERED else "`unknown`"


def _ranges(codes: list[int]) -> str:
    """Return the codes, with a long run as its first and last."""
    is_run = len(codes) > 2 and codes[-1] - codes[0] == len(codes) - 1
    return f"{codes[0]} to {codes[-1]}" if is_run else ", ".join(map(str, codes))
