"""`manage.py bench_admin`: is every page of the admin and the console quick at a million calls?"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.auth import sessions
from accounts.models import Membership, User
from accounts.roles import Role
from ops.bench.admin_rows import prepare_history
from ops.bench.admin_walk import (
    MAX_MILLISECONDS,
    MAX_SCANNED_ROWS,
    Visit,
    admin_pages,
    browser_of,
    console_pages,
    table_sizes,
    visit,
)
from ops.bench.api_rows import BENCH_EMAIL
from ops.bench.rerun import is_rerun, rerun_isolated
from ops.new_secrets import new_secrets

# With DEBUG=1 Django keeps every query, which would be measured too.
WALK_SETTINGS = {
    "DEBUG": "0",
    "ALLOWED_HOSTS": "localhost",
    "PUBLIC_URL": "https://localhost",
    "LOG_LEVEL": "WARNING",  # a line for each page would hide the table
}


class Command(BaseCommand):
    help = (
        "Opens every page of the admin and the console over a PostgreSQL of its own with a million "
        f"calls. Prints the server's time and exits 1 when a page takes more than "
        f"{MAX_MILLISECONDS} ms, or reads a table of more than {MAX_SCANNED_ROWS:,} rows from end "
        "to end."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=1_000_000, help="calls, and recipients")
        parser.add_argument(
            "--keep",
            type=Path,
            metavar="FOLDER",
            help="keep the rows in this folder, and use those that an earlier run has kept there",
        )

    def handle(self, **options: Any) -> None:
        if not is_rerun():
            kept: Path | None = options["keep"]
            secrets = kept_secrets(kept) if kept else new_secrets()
            sys.exit(rerun_isolated({**secrets, **WALK_SETTINGS}, kept=kept))
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        user = User.objects.filter(email=BENCH_EMAIL).first()
        if user is None:
            self.stdout.write(f"Creating {options['rows']:,} calls and recipients")
            user = prepare_history(options["rows"]).user
        visits = self.walk(user)
        slow = [page for page in visits if page.problems]
        self.stdout.write(f"{len(visits)} pages, {len(slow)} of them with a problem")
        if slow:
            lines = [f"{page.name}: {', '.join(page.problems)} ({page.url})" for page in slow]
            raise CommandError("\n".join(lines))

    def walk(self, user: User) -> list[Visit]:
        """Open every page, print a line for each, the slowest first, and return them."""
        user.is_staff = user.is_superuser = True
        user.save(update_fields=["is_staff", "is_superuser"])
        Membership.unscoped.filter(user=user).update(role=Role.ADMIN)
        session = sessions.open_session(user=user, now=timezone.now())
        client, sizes = browser_of(user, session.access_token), table_sizes()
        pages = [*admin_pages(), *console_pages()]
        visits = [visit(client, page, sizes=sizes) for page in pages]
        for page in sorted(visits, key=lambda each: -each.milliseconds):
            self.stdout.write(
                f"{page.milliseconds:7.0f} ms {page.queries:4} queries {page.kilobytes:6.0f} kB  "
                f"{page.name}{'  ' if page.problems else ''}{', '.join(page.problems)}"
            )
        return visits


def kept_secrets(folder: Path) -> dict[str, str]:
    """Return the secrets by which the folder's rows are encrypted."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "secrets.json"
    if not file.exists():
        file.write_text(json.dumps(new_secrets()))
    secrets: dict[str, str] = json.loads(file.read_text())
    return secrets
