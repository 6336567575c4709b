"""A port that the sandbox serves, and that it can close for a while, as a server that dies does."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MAX_OBJECT_BYTES = 64 * 1024 * 1024  # of an object in S3; LiveKit's own limit is lower
CONNECTION_BACKLOG = 1024


@dataclass
class Listener:
    """One address, and what answers there. `port` is 0 for any until it listens."""

    host: str
    port: int
    _runner: web.AppRunner | None = None
    _site: web.TCPSite | None = None
    # Bound while the port is closed, and not listening: nobody else can take the port.
    _placeholder: socket.socket | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def start(self, routes: Iterable[web.RouteDef]) -> None:
        """Answer requests to these routes. Raises OSError when the port is in use."""
        app = web.Application(client_max_size=MAX_OBJECT_BYTES)
        app.add_routes(routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen(self._runner)
        address: Any = self._runner.addresses[0]
        self.port = int(address[1])

    async def close_port(self, *, spare: asyncio.BaseTransport | None = None) -> None:
        """Refuse new connections and drop those there are, except the one to `spare`."""
        async with self._lock:
            if self._runner is None or self._site is None:
                return
            await self._site.stop()
            self._site = None
            self._placeholder = _bound_socket(self.host, self.port)
            server = self._runner.server
            assert server is not None
            for connection in server.connections:
                transport = connection.transport
                if transport is not None and transport is not spare:
                    transport.abort()

    async def open_port(self) -> None:
        """Listen again, if the port is closed."""
        async with self._lock:
            if self._runner is None or self._placeholder is None:
                return
            self._placeholder.close()
            self._placeholder = None
            await self._listen(self._runner)

    async def stop(self) -> None:
        """Stop answering."""
        async with self._lock:
            if self._placeholder is not None:
                self._placeholder.close()
                self._placeholder = None
            if self._runner is not None:
                await self._runner.cleanup()
                self._runner = None

    async def _listen(self, runner: web.AppRunner) -> None:
        self._site = web.TCPSite(runner, self.host, self.port, backlog=CONNECTION_BACKLOG)
        await self._site.start()


def _bound_socket(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    # Otherwise connections of before that are still closing would forbid it.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    return bound
