"""Headers of tools, and options of providers, move out of sight: encrypted, into a column of their own.

Not in one transaction: rows are sealed in chunks, each under its locks, while everything runs. Stopped and started
again it goes on with what is left.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import migrations, models, transaction

from agents import secrets

CHUNK = 500


def seal(apps: Any, schema_editor: Any) -> None:
    def change(row: Any, plain: dict[str, Any], table: str) -> dict[str, Any]:
        plain, secret = secrets.split_secrets(secrets.merge_secrets(plain, secrets.decrypt(row.sealed, table=table, pk=row.pk)))
        row.sealed = secrets.encrypt(secret, table=table, pk=row.pk)
        return plain

    _change_all(apps, change)


def unseal(apps: Any, schema_editor: Any) -> None:
    def change(row: Any, plain: dict[str, Any], table: str) -> dict[str, Any]:
        whole = secrets.merge_secrets(plain, secrets.decrypt(row.sealed, table=table, pk=row.pk))
        row.sealed = ""
        return whole

    _change_all(apps, change)


def _change_all(apps: Any, change: Callable[[Any, dict[str, Any], str], dict[str, Any]]) -> None:
    agents, versions = apps.get_model("agents", "Agent").unscoped, apps.get_model("agents", "AgentVersion").unscoped
    for rows in _chunks(agents):
        for row in rows:
            for field, value in change(row, {f: getattr(row, f) for f in secrets.SECRET_FIELDS}, "agents_agent").items():
                setattr(row, field, value)
        agents.bulk_update(rows, [*secrets.SECRET_FIELDS, "sealed"])
    for rows in _chunks(versions):
        for row in rows:
            row.config = change(row, row.config, "agents_agentversion")
        versions.bulk_update(rows, ["config", "sealed"])


def _chunks(table: Any) -> Iterable[list[Any]]:
    """Locked; what the caller has done to a chunk is committed before the next."""
    keys = list(table.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        with transaction.atomic():
            yield list(table.filter(pk__in=keys[start : start + CHUNK]).select_for_update())


def column() -> Any:
    return models.TextField(blank=True, db_default="", default="", help_text="encrypted, see agents.sealing")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("agents", "0001_initial"),
    ]

    operations = [
        migrations.AddField(model_name="agent", name="sealed", field=column()),
        migrations.AddField(model_name="agentversion", name="sealed", field=column()),
        migrations.RunPython(seal, unseal),
    ]
