"""Django looks for this module; importing the others registers their pages."""

from telephony.admin import calls, numbers

__all__ = ["calls", "numbers"]
