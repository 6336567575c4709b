"""The HTTP client for events and reports, against servers that answer in different ways."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from sandbox.http_posts import Poster, PostError

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the next of `answers`, then repeats the last. Empty bytes close the
    connection.
    """

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                for piece in answer.split(b"|"):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)
                if not answer or b"close" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def running(*answers: bytes) -> AsyncIterator[tuple[Server, Poster]]:
    server = Server(*answers)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/hook?a=1"
    async with aiohttp.ClientSession() as session:
        poster = Poster(session)
        try:
            yield server, poster
        finally:
            poster.close()
            listener.close()
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (PLAIN, 200),
        (b"HTTP/1.1 200 OK\r\nContent-|Length: 10\r\n\r\n12345|67890", 200),
        (b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n|0\r\n\r\n", 201),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\nbusy", 503),
        (b"HTTP/1.0 200 OK\r\n\r\nold, close", 200),
    ],
)
async def test_all_forms_of_responses_are_parsed(answer: bytes, status: int) -> None:
    async with running(answer) as (server, poster):
        answers = [await poster.post(server.url, {"X-A": "b"}, b"{}") for _ in range(3)]

    assert [each.status for each in answers] == [status] * 3
    assert server.requests[0].startswith(b"POST /hook?a=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert server.requests[0].endswith(b"X-A: b\r\n\r\n{}")


async def test_connection_is_reused() -> None:
    async with running(PLAIN) as (server, poster):
        for _ in range(5):
            await poster.post(server.url, {}, b"{}")

    assert server.connections == 1


async def test_connection_closed_by_the_server_is_replaced() -> None:
    async with running(PLAIN, b"", PLAIN) as (server, poster):
        answers = [await poster.post(server.url, {}, b"{}") for _ in range(2)]

    assert ([each.status for each in answers], server.connections) == ([200, 200], 2)


async def test_closed_connection_is_an_error() -> None:
    async with running(b"") as (server, poster):
        with pytest.raises(PostError, match="closed without an answer"):
            await poster.post(server.url, {}, b"{}")
        with pytest.raises(PostError):
            await poster.post("http://127.0.0.1:9/", {}, b"{}")


async def test_response_that_is_not_http_is_an_error() -> None:
    async with running(b"hello\r\n\r\n") as (server, poster):
        with pytest.raises(PostError, match="not HTTP"):
            await poster.post(server.url, {}, b"{}")


async def test_request_times_out() -> None:
    async with running(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n") as (server, poster):
        with pytest.raises(PostError, match="no answer in time"):
            await poster.post(server.url, {}, b"{}", timeout=0.1)
