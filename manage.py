#!/usr/bin/env python
"""Django's command line. Only here `.env` is read, so tests and gunicorn never see its settings.

What an operator can fix is reported in one line: invalid settings, and a database that is away or
not migrated. So is Ctrl-C.
"""

import os
import sys
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError, ProgrammingError

MISSING_TABLE_ERRORS = {
    OperationalError: ("no such table", "no such column", "has no column named"),
    ProgrammingError: ("does not exist",),
}
# The exit code that shells give a command ended by Ctrl-C.
INTERRUPTED_EXIT_CODE = 130
NOT_MIGRATED = (
    "The database has not been set up, or not for this version. Run: python manage.py migrate"
)


def main() -> None:
    environ.Env.read_env(Path(__file__).with_name(".env"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voiceops.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except (OperationalError, ProgrammingError) as error:
        message = str(error).partition("\n")[0]
        if any(words in message for words in MISSING_TABLE_ERRORS[type(error)]):
            sys.exit(NOT_MIGRATED)
        if isinstance(error, ProgrammingError):
            raise
        sys.exit(f"The database cannot be used: {message}. Start it, and check DATABASE_URL.")
    except KeyboardInterrupt:
        sys.stderr.write("Stopped\n")
        sys.exit(INTERRUPTED_EXIT_CODE)


if __name__ == "__main__":
    main()
