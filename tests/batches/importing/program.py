"""An import in a process of its own, to be killed.

python -m tests.batches.importing.program prepare|import
"""

import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - Django must be set up first

from batches.models import Batch  # noqa: E402
from batches.services.imports import import_batch  # noqa: E402
from ops.bench import importing  # noqa: E402

ROWS = 30_000


def prepare() -> None:
    call_command("migrate", verbosity=0, interactive=False)
    importing.write_list(importing.uploads_folder() / "list.csv", ROWS)
    importing.prepare_import("list.csv")


def run() -> None:
    import_batch(Batch.unscoped.get().pk)


if __name__ == "__main__":
    {"prepare": prepare, "import": run}[sys.argv[1]]()
