"""Django looks for this module; importing the other registers its pages."""

from webhooks.admin import endpoints

__all__ = ["endpoints"]
