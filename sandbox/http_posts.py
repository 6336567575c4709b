"""POSTs by the thousand: plain HTTP/1.1 over kept-alive connections.

Each call makes about fifteen (events and reports), and a general client costs three times as much
of the processor that a rehearsal shares with the worker and the web server (measured: 0.32 ms each
with aiohttp's, 0.11 ms here). Anything but `http://` goes through aiohttp all the same.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

CONNECTIONS_PER_HOST = 48  # connections per host
HEAD_END = b"\r\n\r\n"


class PostError(Exception):
    """Nobody answered, or not in HTTP."""


class _Connection(asyncio.Protocol):
    """One request at a time; `answer` is set to the status once the response is complete."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[int] | None = None
        self.reusable = True
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self.answer is None or self.answer.done():
            self.close()  # nothing was asked
            return
        try:
            self._read()
        except (ValueError, IndexError):
            self.answer.set_exception(PostError("not HTTP"))
            self.close()

    def _read(self) -> None:
        assert self.answer is not None
        head, found, rest = self._data.partition(HEAD_END)
        if not found:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        status = int(lines[0].split(" ", 2)[1])
        self.reusable = headers.get("connection", "").lower() != "close" and lines[0].startswith(
            "HTTP/1.1"
        )
        if self._complete(headers, rest, status):
            self._data = b""
            self.answer.set_result(status)

    def _complete(self, headers: Mapping[str, str], rest: bytes, status: int) -> bool:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return rest.endswith(b"0\r\n\r\n")
        if (length := headers.get("content-length")) is not None:
            return len(rest) >= int(length)
        if status != 204:
            self.reusable = (
                False  # the body ends with the connection: its beginning is enough for us
            )
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(PostError("the connection was closed without an answer"))

    def send(self, request: bytes) -> "asyncio.Future[int]":
        assert self.transport is not None
        self._data = b""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def close(self) -> None:
        self.reusable = False
        if self.transport is not None:
            self.transport.close()


@dataclass
class Poster:
    session: aiohttp.ClientSession
    _idle: dict[tuple[str, int], list[_Connection]] = field(default_factory=dict)
    _slots: dict[tuple[str, int], asyncio.Semaphore] = field(default_factory=dict)

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float | None = None
    ) -> int:
        """The status of the answer. Raises PostError when there is none in `timeout` seconds (None:
        however long).

        The time begins when a connection is free: waiting for others is not the receiver's fault.
        """
        parts = urlsplit(url)
        place = (parts.hostname or "", parts.port or 80)
        try:
            async with (
                self._slots.setdefault(place, asyncio.Semaphore(CONNECTIONS_PER_HOST)),
                asyncio.timeout(timeout),
            ):
                if parts.scheme != "http":
                    async with self.session.post(url, data=body, headers=headers) as response:
                        await response.read()
                        return response.status
                path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
                return await self._send(place, _request(parts.netloc, path, headers, body))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise PostError(str(error) or "no answer in time") from error

    async def _send(self, place: tuple[str, int], request: bytes) -> int:
        connection = self._take_idle(place)
        if connection is not None:
            try:
                return await self._send_on(place, connection, request)
            except PostError:
                # The server gave up the idle connection just now; receivers know repeats by their
                # id.
                pass
        loop = asyncio.get_running_loop()
        _, fresh = await loop.create_connection(_Connection, *place)
        return await self._send_on(place, fresh, request)

    async def _send_on(
        self, place: tuple[str, int], connection: _Connection, request: bytes
    ) -> int:
        answered = False
        try:
            status = await connection.send(request)
            answered = True
            return status
        finally:
            if answered and connection.reusable:
                self._idle.setdefault(place, []).append(connection)
            else:
                connection.close()

    def _take_idle(self, place: tuple[str, int]) -> _Connection | None:
        idle = self._idle.get(place, [])
        while idle:
            connection = idle.pop()
            if connection.reusable:
                return connection
        return None

    def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()


def _request(host: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(head).encode("latin-1") + HEAD_END + body
