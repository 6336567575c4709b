"""The command line: `voiceops`."""

import sys

from voiceops.cli.commands import app
from voiceops.cli.failures import explain
from voiceops.errors import VoiceOpsError


def main() -> None:
    """Run the command. A failure is a line on standard error, and an exit code that says which."""
    try:
        app(prog_name="voiceops")
    except VoiceOpsError as error:
        sentence, code = explain(error)
        sys.stderr.write(f"{sentence}\n")
        sys.exit(code)
