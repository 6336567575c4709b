"""What was done stays written, whoever asks the database: entries are added, and lose at most a workspace that is gone.

On SQLite, where whoever can write could as well delete the file, a trigger keeps entries from being changed only: tests
empty tables there by deleting rows, which PostgreSQL's truncate.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLE = "accounts_auditentry"
COLUMNS = ("id", "actor_type", "actor_id", "actor_name", "action", "object_type", "object_id", "at", "ip", "changes")
POSTGRESQL = f"""
CREATE FUNCTION {TABLE}_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.workspace_id IS NULL AND to_jsonb(NEW) - 'workspace_id' = to_jsonb(OLD) - 'workspace_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'Audit entries are never changed or deleted';
END $$;
CREATE TRIGGER audit_is_final BEFORE UPDATE OR DELETE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION {TABLE}_is_final();
"""
SQLITE = f"""
CREATE TRIGGER audit_is_final BEFORE UPDATE ON {TABLE}
WHEN NOT (NEW.workspace_id IS NULL AND {" AND ".join(f"NEW.{name} IS OLD.{name}" for name in COLUMNS)})
BEGIN SELECT RAISE(ABORT, 'Audit entries are never changed or deleted'); END;
"""


def close(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    editor.execute(POSTGRESQL if editor.connection.vendor == "postgresql" else SQLITE)


def reopen(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(f"DROP TRIGGER audit_is_final ON {TABLE}; DROP FUNCTION {TABLE}_is_final();")
    else:
        editor.execute("DROP TRIGGER audit_is_final")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_add_second_factor")]
    operations = [migrations.RunPython(close, reopen)]
