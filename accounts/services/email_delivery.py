"""Sends e-mails on a thread of its own.

How long the mail server takes must not reveal to a stranger which addresses are registered.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail

logger = logging.getLogger(__name__)
NO_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="email")


def send_email(address: str, subject: str, text: str) -> None:
    """Queue an e-mail. Never raises; the recipient can request one that was lost again."""
    _executor.submit(_send_now, address, subject, text)


def wait_until_sent() -> None:
    """Block until every e-mail queued so far was handed to the mail server."""
    _executor.submit(lambda: None).result()


def _send_now(address: str, subject: str, text: str) -> None:
    if settings.EMAIL_BACKEND == NO_BACKEND:
        logger.warning("An e-mail (%s) was not sent: EMAIL_URL is not set", subject)
        return
    try:
        send_mail(subject, text, None, [address])
    except (SMTPException, OSError) as error:
        logger.warning("An e-mail could not be sent (%s)", type(error).__name__)
