#!/usr/bin/env python
"""Django's command line.

It reads `.env` beside this file; tests and gunicorn never see a developer's settings. Problems that
an operator can fix end in one line: refused settings, and a database that is unreachable or not
migrated. So does Ctrl-C.
"""

import os
import sys
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError, ProgrammingError

# How SQLite and PostgreSQL report a missing table or column.
MISSING_TABLE_MESSAGES = {
    OperationalError: ("no such table", "no such column", "has no column named"),
    ProgrammingError: ("does not exist",),
}
INTERRUPTED_EXIT_CODE = 130  # as shells report a command that Ctrl-C ended
NOT_MIGRATED = (
    "The database has not been set up, or not for this version. Run: python manage.py migrate"
)


def main() -> None:
    """Run a command. Expected errors are printed in one line."""
    # Variables that are set already win over the file.
    environ.Env.read_env(Path(__file__).with_name(".env"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voiceops.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except (OperationalError, ProgrammingError) as error:
        message = str(error).partition("\n")[0]
        if any(text in message for text in MISSING_TABLE_MESSAGES[type(error)]):
            sys.exit(NOT_MIGRATED)
        if isinstance(error, ProgrammingError):
            raise
        sys.exit(f"The database cannot be used: {message}. Start it, and check DATABASE_URL.")
    except KeyboardInterrupt:
        sys.stderr.write("Stopped\n")
        sys.exit(INTERRUPTED_EXIT_CODE)


if __name__ == "__main__":
    main()
