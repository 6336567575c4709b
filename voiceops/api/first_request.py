"""A request that the web server answers before its first process is forked from it."""

import io
import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

PATH = "/calls"


def answer_first_request(application: Callable[[dict[str, Any], Any], Iterable[bytes]]) -> str:
    """Answer a request without credentials, and return the status.

    What the first request makes and keeps is then in the memory that all processes share, some two
    megabytes each. It reaches neither the database nor the log.
    """
    url = urlsplit(settings.PUBLIC_URL)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": PATH,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": url.netloc,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    statuses: list[str] = []
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        response: Any = application(environ, lambda status, *_: statuses.append(status))
        response.close()
    finally:
        logging.disable(before)
    return statuses[0]
