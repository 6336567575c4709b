"""The database engine of the embedded default: Django's SQLite, whose writers take turns."""
