"""Django looks for this module; importing the other registers its pages."""

from accounts.admin import security

__all__ = ["security"]
