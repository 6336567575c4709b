"""Counts what is there already. Apart from the triggers, so that they wait for no count: those who
write may go on meanwhile."""

from typing import Any

from django.db import migrations

from batches.services.recipient_counts import recount_everything


def count_all(apps: Any, editor: Any) -> None:
    for _ in recount_everything():
        pass


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("batches", "0023_keep_counts_of_recipients")]

    operations = [migrations.RunPython(count_all, migrations.RunPython.noop)]
