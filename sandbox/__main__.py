"""`python -m sandbox --port 7880 --speed 20 --data-dir var`."""

import argparse
import sys

from sandbox.command import run
from sandbox.config import add_arguments


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    add_arguments(parser)
    return run(vars(parser.parse_args()), write=sys.stderr.write)


if __name__ == "__main__":
    sys.exit(main())
