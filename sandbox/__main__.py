"""`python -m sandbox --port 7880 --speed 20 --data-dir var`."""

import argparse
import sys

from sandbox.command import run
from sandbox.config import add_arguments


def main() -> int:
    """Run the sandbox. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Runs a local server that speaks LiveKit's and Twilio's protocols, "
        "until Ctrl-C.",
    )
    add_arguments(parser)
    return run(vars(parser.parse_args()), write=sys.stderr.write)


if __name__ == "__main__":
    sys.exit(main())
