"""Celery finds this module in every worker; importing the housekeeper lets it hear that the worker starts."""

from ops import housekeeping

__all__ = ["housekeeping"]
