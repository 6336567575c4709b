"""A whole installation: the control plane in its own environment, the sandbox, and the worker."""

import asyncio
import os
import signal
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from livekit import api

from voice.bench.world import Worker, free_port, start_sandbox, stop
from voice.settings import EXAMPLE_KEY, EXAMPLE_SECRET, REPOSITORY

CONTROL_PLANE_PYTHON = REPOSITORY / ".venv" / "bin" / "python"
# How many calls the worker takes at once, unless a test says otherwise.
MAX_CALLS = 2
PRACTICE_NUMBER = {
    "phone_number": "+12025550100",
    "label": "Practice",
    "provider": "sip",
    "sip": {"address": "sip.example.com"},
    "calls_per_second": 20,
    "max_concurrent_calls": 20,
}


class Installation:
    """`http` speaks with the API as an administrator; `variables` are the worker's."""

    def __init__(
        self,
        folder: Path,
        url: str,
        livekit_url: str,
        http: aiohttp.ClientSession,
        variables: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.url = url
        self.livekit_url = livekit_url
        self.http = http
        self.lk = api.LiveKitAPI(livekit_url, EXAMPLE_KEY, EXAMPLE_SECRET)
        self.variables = {"PUBLIC_URL": url, **variables}
        given = {"VOICE_MAX_CALLS": str(MAX_CALLS), **self.variables}
        self.worker = Worker(livekit_url, folder / "spool", **given)
        self.number_id = ""
        self.control_plane: asyncio.subprocess.Process | None = None

    async def start_control_plane(self) -> None:
        port = self.url.rpartition(":")[2]
        env = {
            **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
            "DEBUG": "1",
            "DATA_DIR": str(self.folder / "data"),
            "PORT": port,
            "PUBLIC_URL": self.url,
            "LIVEKIT_URL": self.livekit_url,
        }
        self.control_plane = await asyncio.create_subprocess_exec(
            *(str(CONTROL_PLANE_PYTHON), "manage.py", "serve"),
            cwd=REPOSITORY,
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self.control_plane.stdout is not None
        async with asyncio.timeout(150):
            async for line in self.control_plane.stdout:
                if line.startswith(b"Ready: "):
                    return
        raise AssertionError("The control plane ended")

    async def stop_control_plane(self) -> None:
        if self.control_plane is not None and self.control_plane.returncode is None:
            self.control_plane.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self.control_plane.wait(), 30)

    async def kill_control_plane(self) -> None:
        """Kill it; its processes die with it."""
        assert self.control_plane is not None
        self.control_plane.kill()
        await self.control_plane.wait()

    async def log_in(self) -> None:
        """Create the first user, their number, and permission to call it as often as one likes."""
        account = {"email": "a@example.com", "password": "a long sentence of words"}
        user = await self.post("/auth/register", account)
        self.http.headers["Authorization"] = f"Bearer {user['access_token']}"
        await self.request(
            "PATCH", f"/workspaces/{user['workspace']['id']}", {"min_gap_minutes": 0}
        )
        self.number_id = (await self.post("/phone-numbers", PRACTICE_NUMBER))["id"]

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer. Raises AssertionError for a refusal, with its words."""
        async with self.http.request(method, self.url + path, json=body) as response:
            answer = await response.json()
            assert response.ok, answer
            return answer

    async def get(self, path: str) -> Any:
        return await self.request("GET", path)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self.request("POST", path, body)

    async def publish(self, config: dict[str, Any]) -> str:
        """Create an agent, publish it, and return its id."""
        body = {"system_prompt": "Be brief.", "recording_enabled": False, **config}
        agent = await self.post("/agents", body)
        await self.post(f"/agents/{agent['id']}/publish")
        return str(agent["id"])

    async def call(self, agent_id: str, to: str) -> str:
        return str((await self.post("/calls", {"agent_id": agent_id, "to": to}))["id"])

    async def ended_call(self, call_id: str, seconds: float = 60.0) -> Any:
        """Return a call once it has ended."""

        async def find() -> Any:
            found = await self.get(f"/calls/{call_id}")
            return found if found["status"] == "ended" else None

        return await eventually(find, seconds)

    async def turns(self, call_id: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/calls/{call_id}/transcript"))["turns"])

    async def start_batch(
        self, agent_id: str, numbers: Sequence[str], *, calls_per_second: int = 1
    ) -> str:
        """Start a batch over some numbers, and return its id."""
        recipients = [{"phone_number": number} for number in numbers]
        body = {"name": "Batch", "agent_id": agent_id, "calls_per_second": calls_per_second}
        body["phone_number_id"] = self.number_id
        batch = await self.post("/batches", {**body, "recipients": recipients})

        async def is_ready() -> Any:
            return (await self.get(f"/batches/{batch['id']}"))["status"] == "ready"

        await eventually(is_ready)
        await self.post(f"/batches/{batch['id']}/start")
        return str(batch["id"])

    async def recipients(self, batch_id: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/batches/{batch_id}/recipients"))["items"])

    async def first_call(self, batch_id: str) -> str:
        """Return the id of a batch's first call, once it is answered."""

        async def find() -> Any:
            return (await self.get(f"/calls?batch_id={batch_id}&status=in_progress"))["items"]

        return str((await eventually(find))[0]["id"])

    async def dials(self, number: str) -> int:
        """Return how often a number was called."""
        async with self.http.get(f"{self.livekit_url}/_sandbox/dials") as response:
            return sum(dial["number"] == number for dial in await response.json())


async def eventually(find: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """Return what is found as soon as something is."""
    async with asyncio.timeout(seconds):
        while not (found := await find()):
            await asyncio.sleep(0.1)
    return found


@asynccontextmanager
async def running_installation(folder: Path, **variables: str) -> AsyncIterator[Installation]:
    """Run everything that an installation on one machine has."""
    warnings.simplefilter("ignore", DeprecationWarning)
    url = f"http://127.0.0.1:{free_port()}"
    sandbox, livekit_url = await start_sandbox(folder, "--webhook-url", f"{url}/livekit/webhook")
    async with aiohttp.ClientSession() as http:
        made = Installation(folder, url, livekit_url, http, variables)
        try:
            await asyncio.gather(made.start_control_plane(), made.worker.start())
            await made.log_in()
            yield made
        finally:
            await made.worker.stop()
            await made.stop_control_plane()
            await stop(sandbox)
            await made.lk.aclose()
