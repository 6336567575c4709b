"""Celery finds this module in every worker; importing the postman lets it hear that the worker is ready."""

from webhooks import postman

__all__ = ["postman"]
