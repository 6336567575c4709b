"""E-mails leave on a thread of their own: how long a mail server takes must not tell a stranger
whom we know.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail

logger = logging.getLogger(__name__)
NO_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="letters")


def send_email(address: str, subject: str, text: str) -> None:
    """Never raises; what could not be sent can be asked for again."""
    _executor.submit(_send_now, address, subject, text)


def wait_until_sent() -> None:
    """Until everything handed in so far is on its way."""
    _executor.submit(lambda: None).result()


def _send_now(address: str, subject: str, text: str) -> None:
    if settings.EMAIL_BACKEND == NO_BACKEND:
        logger.warning("An e-mail (%s) was not sent: EMAIL_URL is not set", subject)
        return
    try:
        send_mail(subject, text, None, [address])
    except (SMTPException, OSError) as error:
        logger.warning("An e-mail could not be sent (%s); ask for it again", type(error).__name__)
