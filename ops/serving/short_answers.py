"""Answers requests of machines that were stored, without reading them a second time.

Gunicorn's parser, its environment and its response take half of what such a request costs a web
process. So what it answered is kept, and where nothing about a request could change that answer,
the same bytes are sent again, with a new date and request id. Whatever is unusual is left to
gunicorn, which then finds the connection as it was.
"""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from gunicorn import SERVER, util

from ops.serving.kept_answers import KeptAnswers
from telephony.views.foreseen import Foreseen

# Without folding, doubtful spaces, or characters on which two readers could differ.
HEADER_LINE = re.compile(rb"([A-Za-z-]+): ?([!-~](?:[ -~]*[!-~])?)")
SHORT_HEADERS = {
    *(b"host", b"authorization", b"user-agent", b"accept", b"accept-encoding"),
    *(b"content-length", b"content-type", b"x-forwarded-for", b"x-forwarded-proto"),
    b"x-request-id",
}
MAX_SHORT_HEAD_BYTES = 4_000  # less than any limit of gunicorn's


@dataclass(frozen=True)
class ShortAnswers:
    """Answers by what `kept` has kept."""

    kept: KeptAnswers

    def answer(self, client: socket.socket, address: Any, sent: bytes, stored: Foreseen) -> bool:
        """Take the request from the socket and answer it; False when nothing was done.

        Raises OSError when the client has gone, or does not read what it is sent.
        """
        headers = read_usual_headers(sent)
        if headers is None or not isinstance(address, tuple):
            return False
        found = self.kept.find(stored, str(address[0]), headers)
        if found is None:
            return False
        fields, content = found
        if client.recv(len(sent)) != sent:
            raise OSError("What a socket has received has changed")
        send(client, build_head(fields) + content)
        return True


def read_usual_headers(sent: bytes) -> dict[str, str] | None:
    """Return the headers of a request by their names in small letters; None when one is unusual."""
    head = sent.partition(b"\r\n\r\n")[0]
    lines = head.split(b"\r\n")[1:]
    found = [HEADER_LINE.fullmatch(line) for line in lines]
    headers = {each[1].lower(): each[2] for each in found if each is not None}
    if len(head) > MAX_SHORT_HEAD_BYTES or len(headers) != len(lines):
        return None
    if not headers.keys() <= SHORT_HEADERS:
        return None
    return {name.decode(): value.decode() for name, value in headers.items()}


def build_head(fields: Sequence[tuple[str, str]]) -> bytes:
    """Return the head of an answer as gunicorn writes it."""
    status = HTTPStatus.OK
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Server: {SERVER}",
        f"Date: {util.http_date()}",
        "Connection: keep-alive",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def send(client: socket.socket, answer: bytes) -> None:
    """Send all of it. Raises OSError when the client has not read the answers to many requests."""
    if client.send(answer, socket.MSG_DONTWAIT) < len(answer):
        raise OSError("The client does not read its answers")
