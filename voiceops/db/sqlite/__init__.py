"""Django's SQLite, with turns: the database engine of the embedded default."""
