"""Django imports this module; importing the others registers their pages."""

from batches.admin import batches, column_mappings, recipients, suppressions

__all__ = ["batches", "column_mappings", "recipients", "suppressions"]
