"""`manage.py document_transitions`: the code's own tables, written into the documentation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from django.conf import settings
from django.core.management.base import BaseCommand

from batches.domain import batch_transitions, recipient_transitions
from telephony.domain import call_transitions, evidence_tables

Tables: TypeAlias = Mapping[str, Callable[[], list[str]]]

ARCHITECTURE_PAGE = settings.BASE_DIR / "docs/architecture.md"
EVIDENCE_PAGE = settings.BASE_DIR / "docs/reference/livekit-evidence.md"
BEGIN = "<!-- {}: written by `make docs` -->\n"
END = "<!-- end of {} -->\n"
TRANSITION_TABLES: Tables = {
    "A call (`telephony/domain/call_transitions.py`)": call_transitions.transition_table,
    "A batch (`batches/domain/batch_transitions.py`)": batch_transitions.transition_table,
    "A recipient (`batches/domain/recipient_transitions.py`)": (
        recipient_transitions.transition_table
    ),
}
EVIDENCE_TABLES: Tables = {
    "The callee's leg (`telephony/domain/evidence.py`)": evidence_tables.leg_table,
    "The answer to the dial request (`telephony/domain/dial_verdicts.py`)": (
        evidence_tables.dial_table
    ),
    "The agent's reports (`telephony/services/agent_reports.py`)": evidence_tables.agent_table,
    "The latest end of every stage (`telephony/domain/latest_ends.py`)": (
        evidence_tables.latest_end_table
    ),
}
# Each page with the name of its generated section.
PAGES: Mapping[Path, tuple[str, Tables]] = {
    ARCHITECTURE_PAGE: ("state machines", TRANSITION_TABLES),
    EVIDENCE_PAGE: ("tables of evidence", EVIDENCE_TABLES),
}


def render_tables(tables: Tables) -> str:
    """The section of a page as the code has it now."""
    sections = [f"### {title}\n\n" + "\n".join(table()) + "\n\n" for title, table in tables.items()]
    return "\n" + "".join(sections)


def updated_page(page: Path = ARCHITECTURE_PAGE) -> str:
    """The whole page, with the tables as the code has them now."""
    name, tables = PAGES[page]
    before, _, rest = page.read_text().partition(BEGIN.format(name))
    _, _, after = rest.partition(END.format(name))
    return before + BEGIN.format(name) + render_tables(tables) + END.format(name) + after


class Command(BaseCommand):
    help = "Writes the tables of transitions and of evidence into the documentation."

    def handle(self, **options: Any) -> None:
        for page in PAGES:
            page.write_text(updated_page(page))
