"""Sends requests over HTTP, again where that may help: once blocking, once for asyncio."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx

from voiceops.errors import ConnectionFailed, VoiceOpsError
from voiceops.requests import Request, RetryPolicy, checked

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
USER_AGENT = "voiceops-python"


def http_options(base_url: str, api_key: str | None, workspace_id: str | None) -> dict[str, Any]:
    """Return the options of httpx's clients. Raises VoiceOpsError for a URL that is none."""
    if not base_url.startswith(("http://", "https://")):
        raise VoiceOpsError(
            f"The URL of the server must begin with https:// or http://: {base_url!r}"
        )
    headers = {"User-Agent": USER_AGENT}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    if workspace_id:
        headers["X-Workspace-ID"] = workspace_id
    return {"base_url": base_url.rstrip("/"), "headers": headers, "timeout": TIMEOUT}


def unreachable(base_url: object, error: Exception) -> ConnectionFailed:
    """Return the error for a server that did not answer."""
    reason = str(error) or type(error).__name__
    return ConnectionFailed(f"{base_url} cannot be reached: {reason}")


class Transport:
    """Sends requests and waits for their answers."""

    def __init__(self, http: httpx.Client, policy: RetryPolicy) -> None:
        self.http = http
        self.policy = policy

    def send(self, request: Request) -> httpx.Response:
        """Return the answer. Raises ApiError for a refusal, ConnectionFailed without an answer."""
        arguments = request.arguments()
        attempt = 0
        while True:
            try:
                response = self.http.request(**arguments)
            except httpx.TransportError as error:
                pause = self.policy.pause_before_retry(attempt, None)
                if pause is None:
                    raise unreachable(self.http.base_url, error) from error
            else:
                # The header is enough, and a request with cookies would need an Origin.
                self.http.cookies.clear()
                pause = self.policy.pause_before_retry(attempt, response)
                if pause is None:
                    return checked(response)
            time.sleep(pause)
            attempt += 1

    @contextmanager
    def stream(self, request: Request) -> Generator[httpx.Response]:
        """Yield an answer whose body is read as it arrives. Raises what `send` raises."""
        try:
            with self.http.stream(**request.arguments()) as response:
                if not response.is_success:
                    response.read()
                yield checked(response)
        except httpx.TransportError as error:
            raise unreachable(self.http.base_url, error) from error


class AsyncTransport:
    """Sends requests on asyncio's event loop."""

    def __init__(self, http: httpx.AsyncClient, policy: RetryPolicy) -> None:
        self.http = http
        self.policy = policy

    async def send(self, request: Request) -> httpx.Response:
        """Return the answer. Raises ApiError for a refusal, ConnectionFailed without an answer."""
        arguments = request.arguments()
        attempt = 0
        while True:
            try:
                response = await self.http.request(**arguments)
            except httpx.TransportError as error:
                pause = self.policy.pause_before_retry(attempt, None)
                if pause is None:
                    raise unreachable(self.http.base_url, error) from error
            else:
                self.http.cookies.clear()
                pause = self.policy.pause_before_retry(attempt, response)
                if pause is None:
                    return checked(response)
            await asyncio.sleep(pause)
            attempt += 1

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[httpx.Response]:
        """Yield an answer whose body is read as it arrives. Raises what `send` raises."""
        try:
            async with self.http.stream(**request.arguments()) as response:
                if not response.is_success:
                    await response.aread()
                yield checked(response)
        except httpx.TransportError as error:
            raise unreachable(self.http.base_url, error) from error
