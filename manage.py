#!/usr/bin/env python
"""Django's command line. Reads `.env` beside this file, so that tests and gunicorn never see a
developer's settings.

What an operator can mend ends in one line: settings that are refused, and a database that is away
or not migrated. So does Ctrl-C.
"""

import os
import sys
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError, ProgrammingError

NO_TABLE = {
    OperationalError: ("no such table", "no such column", "has no column named"),
    ProgrammingError: ("does not exist",),
}
INTERRUPTED = 130  # what shells say of a command that Ctrl-C ended
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
        said = str(error).partition("\n")[0]
        if any(words in said for words in NO_TABLE[type(error)]):
            sys.exit(NOT_MIGRATED)
        if isinstance(error, ProgrammingError):
            raise
        sys.exit(f"The database cannot be used: {said}. Start it, and check DATABASE_URL.")
    except KeyboardInterrupt:
        sys.stderr.write("Stopped\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
