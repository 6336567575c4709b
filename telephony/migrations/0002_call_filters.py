"""Indexes behind two filters of GET /calls that Django cannot describe for every database.

`min_duration` needs one over the difference of two columns, `search` one over trigrams; both are PostgreSQL's. SQLite
serves a laptop, and PostgreSQL without the extension, or without the right to install it, searches without the index.
"""

from django.db import migrations, transaction
from django.db.utils import NotSupportedError, OperationalError, ProgrammingError

DURATION = """
    CREATE INDEX call_by_duration ON telephony_call (workspace_id, (ended_at - answered_at))
    WHERE answered_at IS NOT NULL
"""
SPOKEN = "CREATE INDEX turn_spoken ON telephony_turn USING gin (upper(text) gin_trgm_ops)"


def create(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(DURATION)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
        if cursor.fetchone() is None:
            return
        try:
            with transaction.atomic(using=schema_editor.connection.alias):
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except (ProgrammingError, OperationalError, NotSupportedError):
            return
    schema_editor.execute(SPOKEN)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS call_by_duration")
        schema_editor.execute("DROP INDEX IF EXISTS turn_spoken")


class Migration(migrations.Migration):
    dependencies = [("telephony", "0001_initial")]

    operations = [migrations.RunPython(create, drop)]
