"""Django looks for this module; importing the others registers their pages."""

from batches.admin import batches, recipients, suppressions

__all__ = ["batches", "recipients", "suppressions"]
