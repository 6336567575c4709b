"""`manage.py document_reference`: pages of docs/reference that say what the code says."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ops.management.reference.commands_page import commands_page
from ops.management.reference.events_page import events_page
from ops.management.reference.llms_page import llms_page
from ops.management.reference.outcomes_page import outcomes_page
from ops.management.reference.settings_page import settings_page

# Of every page the site has, for language models.
LLMS_PAGE = settings.BASE_DIR / "docs/llms.txt"
REFERENCE_PAGES: Mapping[Path, Callable[[], str]] = {
    settings.BASE_DIR / "docs/reference/commands.md": commands_page,
    settings.BASE_DIR / "docs/reference/outcomes.md": outcomes_page,
    settings.BASE_DIR / "docs/reference/settings.md": settings_page,
    settings.BASE_DIR / "docs/reference/webhook-events.md": events_page,
    LLMS_PAGE: llms_page,
}


class Command(BaseCommand):
    help = "Writes settings, commands, outcomes and webhook events into docs/reference."

    def handle(self, **options: Any) -> None:
        for page, render in REFERENCE_PAGES.items():
            page.write_text(render())
