"""A reader of the console: a client that behaves as a browser does, and what is on a page."""

import re
from html import unescape
from typing import Any

from django.test import Client

from accounts.models import User
from tests import make

HTML = {"Accept": "text/html,application/xhtml+xml"}
TAGS = re.compile(r"<script.*?</script>|<style.*?</style>|<[^>]*>", re.DOTALL)


def visitor() -> Client:
    """A browser without cookies."""
    return Client(headers=HTML)


def reader(user: User) -> Client:
    """A browser in which the user is signed in."""
    client = visitor()
    client.cookies["access_token"] = make.access_token(user)
    return client


def text_of(response: Any) -> str:
    """The visible text of a page, with single spaces."""
    return " ".join(unescape(TAGS.sub(" ", response.content.decode())).split())
