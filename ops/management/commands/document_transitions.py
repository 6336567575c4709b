"""`manage.py document_transitions`: the state machines, as tables in docs/architecture.md."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from batches.domain import batch_transitions, recipient_transitions
from telephony.domain import call_transitions

ARCHITECTURE_PAGE = settings.BASE_DIR / "docs/architecture.md"
BEGIN = "<!-- state machines: written by `make docs` -->\n"
END = "<!-- end of state machines -->\n"
TRANSITION_TABLES = {
    "A call (`telephony/domain/call_transitions.py`)": call_transitions.transition_table,
    "A batch (`batches/domain/batch_transitions.py`)": batch_transitions.transition_table,
    "A recipient (`batches/domain/recipient_transitions.py`)": (
        recipient_transitions.transition_table
    ),
}


def state_machines() -> str:
    """The section of the page as the code has it now."""
    sections = [
        f"### {title}\n\n" + "\n".join(table()) + "\n\n"
        for title, table in TRANSITION_TABLES.items()
    ]
    return "\n" + "".join(sections)


def updated_page() -> str:
    """The whole page, with the tables as the code has them now."""
    before, _, rest = ARCHITECTURE_PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + state_machines() + END + after


class Command(BaseCommand):
    help = "Writes the transitions of calls, batches and recipients into docs/architecture.md."

    def handle(self, **options: Any) -> None:
        ARCHITECTURE_PAGE.write_text(updated_page())
