"""Sends e-mails on a thread of its own.

How long the mail server takes must not reveal to a stranger which addresses are registered.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

logger = logging.getLogger(__name__)
NO_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="email")


def send_at_once(
    address: str,
    subject: str,
    text: str,
    *,
    html: str = "",
    headers: dict[str, str] | None = None,
) -> bool:
    """Hand an e-mail to the mail server, and wait for its answer; returns whether it was accepted.

    With `html` it has both forms, and the reader's program shows the one that it can.

    For rounds of the worker. Where no mail server is configured, it counts as sent. Never raises.
    """
    if settings.EMAIL_BACKEND == NO_BACKEND:
        logger.warning("An e-mail (%s) was not sent: EMAIL_URL is not set", subject)
        return True
    try:
        message = EmailMultiAlternatives(subject, text, None, [address], headers=headers)
        if html:
            message.attach_alternative(html, "text/html")
        message.send()
    except (SMTPException, OSError) as error:
        logger.warning("An e-mail could not be sent (%s)", type(error).__name__)
        return False
    return True


def send_email(address: str, subject: str, text: str) -> None:
    """Queue an e-mail. Never raises; the recipient can request one that was lost again."""
    _executor.submit(send_at_once, address, subject, text)


def wait_until_sent() -> None:
    """Block until every e-mail queued so far was handed to the mail server."""
    _executor.submit(lambda: None).result()
