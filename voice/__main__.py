"""python -m voice: see `docs/voice.md`."""

import sys

from voice.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
