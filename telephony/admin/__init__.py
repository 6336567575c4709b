"""Django looks for this module; importing the others registers their pages."""

from telephony.admin import calls, hourly_calls, numbers

__all__ = ["calls", "hourly_calls", "numbers"]
