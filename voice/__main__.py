"""python -m voice: see `docs/voice.md`."""

import os
import sys

from voice.command_line import main
from voice.settings import REPOSITORY, read_env_file

if __name__ == "__main__":
    # As manage.py does; variables that are set already win over the file.
    for name, value in read_env_file(REPOSITORY / ".env").items():
        os.environ.setdefault(name, value)
    sys.exit(main(sys.argv[1:]))
