"""Runs a sandbox in a thread with its own event loop, for tests that need LiveKit or Twilio.

`with sandbox_server.start(webhook_url=...) as box:` starts a server at `box.url`, which livekit-api
uses with `box.api_key` and `box.api_secret`. `box.dials()`, `box.set_faults(...)` and the other
methods are its control API.
"""

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from sandbox import server
from sandbox.config import Config

CONTROL_TIMEOUT_SECONDS = 30


@dataclass
class RunningSandbox:
    """The control API of a running sandbox, as methods."""

    config: Config
    url: str
    port: int
    _loop: asyncio.AbstractEventLoop
    _sandbox: server.Sandbox

    @property
    def api_key(self) -> str:
        return self.config.api_key

    @property
    def api_secret(self) -> str:
        return self.config.api_secret

    @property
    def data_dir(self) -> Path:
        return self.config.data_dir

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request under /_sandbox and return the decoded answer.

        Raises requests.HTTPError when it is refused.
        """
        url = f"{self.url}/_sandbox/{path}".rstrip("/")
        response = requests.request(method, url, json=body, timeout=CONTROL_TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()

    def dials(self) -> list[dict[str, Any]]:
        dials: list[dict[str, Any]] = self.control("GET", "dials")
        return dials

    def clear_dials(self) -> None:
        self.control("DELETE", "dials")

    def calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.control("GET", "calls?extra=1")
        return calls

    def rooms(self) -> list[dict[str, Any]]:
        rooms: list[dict[str, Any]] = self.control("GET", "rooms")
        return rooms

    def set_faults(self, **rates: Any) -> None:
        """Replace the faults. Without arguments there are none."""
        self.control("PUT", "faults", rates)

    def set_behaviours(self, behaviours: dict[str, Any]) -> None:
        """Replace the behaviours of numbers: `{"+1…": {"sip_code": 603}}`, or lists of them."""
        self.control("PUT", "behaviours", behaviours)

    def set_agent(self, *, online: bool) -> None:
        self.control("PUT", "agent", {"online": online})

    def crash(self, what: str, **fields: Any) -> None:
        """Let a part of LiveKit die; it comes back by itself."""
        self.control("POST", "crash", {"what": what, **fields})

    def wait_until_back(self, *, but: Collection[str] = ()) -> None:
        """Wait until all that crashed is served again, `but` what stays away."""
        self.wait_for(lambda: set(self.control("GET", "")["down"]) <= set(but))

    def call_inbound(self, *, to: str, caller: str | None = None) -> requests.Response:
        """Start an inbound call to one of our numbers."""
        body = {"to": to, **({} if caller is None else {"from": caller})}
        return requests.post(
            f"{self.url}/_sandbox/inbound", json=body, timeout=CONTROL_TIMEOUT_SECONDS
        )

    def set_twilio(self, **state: Any) -> Any:
        return self.control("PUT", "twilio", state)

    def wait_for(self, condition: Callable[[], Any], *, timeout: float = 10.0) -> Any:
        """Poll until the condition is truthy, and return its value.

        Raises AssertionError when it is not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.01)
        raise AssertionError(f"not within {timeout} s")

    def wait_until_idle(self, *, timeout: float = 20.0) -> None:
        """Wait until no call or room is open and every webhook is delivered or dropped."""
        self.wait_for(
            lambda: not self.rooms() and all(c["status"] == "ended" for c in self.calls()),
            timeout=timeout,
        )
        asyncio.run_coroutine_threadsafe(self._sandbox.wait_until_idle(), self._loop).result(
            timeout
        )


@contextmanager
def start(
    *, speed: float = 100.0, data_dir: Path | None = None, **settings: Any
) -> Iterator[RunningSandbox]:
    """Run a sandbox on a free port. `settings` are fields of `Config`, such as `webhook_url`."""
    with tempfile.TemporaryDirectory(prefix="sandbox-") as temporary:
        config = Config(data_dir=data_dir or Path(temporary), port=0, speed=speed)
        config = replace(config, **settings)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
        thread.start()
        try:
            running = asyncio.run_coroutine_threadsafe(server.start(config), loop).result(
                CONTROL_TIMEOUT_SECONDS
            )
            try:
                yield RunningSandbox(config, running.url, running.port, loop, running)
            finally:
                asyncio.run_coroutine_threadsafe(running.stop(), loop).result(
                    CONTROL_TIMEOUT_SECONDS
                )
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CONTROL_TIMEOUT_SECONDS)
            loop.close()
