"""The process that is registered at LiveKit, accepts jobs, and runs each in its own process."""

import asyncio
import logging
import math
import os
import signal
import sys
import threading
import time
from functools import partial

from livekit.agents import AgentServer, JobRequest

from voice.doctor import provider_lines
from voice.providers.registry import find_fault, needed_providers
from voice.settings import Settings
from voice.worker.abilities import keep_reporting
from voice.worker.job import run_job
from voice.worker.job_metadata import read_job
from voice.worker.spool import read_header, spooled

log = logging.getLogger(__name__)

INITIALIZE_SECONDS = 60.0
# The framework waits 15 s for a job that it asks to end, before it cancels it.
SHUTDOWN_SECONDS = 25.0
LAST_WORDS_SECONDS = 12.0
MEMORY_WARNING_MB, MEMORY_LIMIT_MB = 400, 800
# After it was accepted, LiveKit assigns a call at once, and its process begins.
MAX_ASSIGNMENT_SECONDS = 20.0
# LiveKit may be away for days: a worker that gave up would have to be started by hand.
MAX_RECONNECTIONS = 1_000_000
# What job processes share, loaded before they are forked from their server.
PRELOADED = ["voice.worker.preloaded"]


async def serve(settings: Settings) -> int:
    """Serve calls until a signal, and let those under way end. Returns 0."""
    server = make_server(settings)
    loop = asyncio.get_running_loop()
    stopping, hurrying = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        (hurrying if stopping.is_set() else stopping).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    began = time.monotonic()
    server.on("worker_registered", lambda *_: _write_registered(settings, began))
    run = loop.create_task(server.run())
    reporting = loop.create_task(keep_reporting(settings))
    stop_wait = loop.create_task(stopping.wait())
    await asyncio.wait({run, stop_wait}, return_when=asyncio.FIRST_COMPLETED)
    if run.done():
        # It ends by itself only when it cannot go on.
        run.result()
        return 1
    await drain(server, settings, hurrying)
    reporting.cancel()
    await server.aclose()
    await asyncio.wait({run}, timeout=SHUTDOWN_SECONDS)
    return 0


def make_server(settings: Settings) -> AgentServer:
    """Return the framework's server, with our settings."""
    # Only an agent that asks for it needs the model of turns, and 243 MB with it.
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
    capacity = Capacity(settings)
    server = AgentServer(
        ws_url=settings.socket_url,
        api_key=settings.api_key,
        api_secret=settings.api_secret,
        host="127.0.0.1",
        port=settings.health_port,
        num_idle_processes=settings.idle_processes,
        initialize_process_timeout=INITIALIZE_SECONDS,
        shutdown_process_timeout=SHUTDOWN_SECONDS,
        job_memory_warn_mb=MEMORY_WARNING_MB,
        job_memory_limit_mb=MEMORY_LIMIT_MB,
        max_retry=MAX_RECONNECTIONS,
        load_fnc=capacity.load,
        # Requests are answered one by one.
        load_threshold=math.inf,
        preload_modules=PRELOADED,
        log_level=settings.log_level,
    )
    server.rtc_session(
        run_job,
        agent_name=settings.agent_name,
        on_request=partial(answer_request, capacity, server),
    )
    return server


class Capacity:
    """How many calls this worker takes, counting those that it has accepted and not begun yet.

    The framework estimates by load what a call costs, and of several that come at once to an idle
    worker it refuses all but two: LiveKit offers them to nobody else then.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._was_full = False
        # The framework asks for the load on a thread of its own.
        self._lock = threading.Lock()
        self._accepted: dict[str, float] = {}

    def load(self, server: AgentServer) -> float:
        """Return the share that is taken, for LiveKit to choose the least busy worker; 1 is full:
        as many calls as allowed, or a machine that is busy already.
        """
        calls = self._count(server) / self._settings.max_calls
        per_core = os.getloadavg()[0] / (os.cpu_count() or 1)
        is_busy = 0 < self._settings.max_load < per_core
        load = 1.0 if is_busy else min(1.0, calls)
        if load >= 1.0 and not self._was_full:
            why = "this machine is busy" if is_busy else f"{self._settings.max_calls} calls"
            log.warning("No further calls are accepted for now: %s", why)
        self._was_full = load >= 1.0
        return load

    def accept(self, server: AgentServer, job_id: str) -> bool:
        """Reserve a place for a call, and return whether there was one."""
        if self.load(server) >= 1.0:
            return False
        with self._lock:
            self._accepted[job_id] = time.monotonic()
        return True

    def _count(self, server: AgentServer) -> int:
        begun = {info.job.id for info in server.active_jobs}
        since = time.monotonic() - MAX_ASSIGNMENT_SECONDS
        with self._lock:
            for job_id, at in list(self._accepted.items()):
                if at < since or job_id in begun:
                    del self._accepted[job_id]
            return len(begun) + len(self._accepted)


async def answer_request(capacity: Capacity, server: AgentServer, request: JobRequest) -> None:
    """Accept a call, or leave it to other workers when there is no place for it, or a provider
    that it needs is missing here.
    """
    job = read_job(request.job.metadata, request.id)
    for name, kind in needed_providers(job.agent):
        fault = find_fault(name, kind)
        if fault is not None:
            log.error("The call %s is left to other workers: %s", job.call_id, fault)
            await request.reject()
            return
    if not capacity.accept(server, request.id):
        await request.reject()
        return
    await request.accept()


async def drain(server: AgentServer, settings: Settings, hurrying: asyncio.Event) -> None:
    """Accept nothing more, and wait until the calls are over, or `hurrying` is set."""
    sys.stdout.write(f"Stopping: {len(server.active_jobs)} calls under way\n")
    sys.stdout.flush()
    draining = asyncio.ensure_future(server.drain(timeout=None))
    hurry = asyncio.ensure_future(hurrying.wait())
    await asyncio.wait(
        [draining, hurry],
        timeout=settings.drain_seconds,
        return_when=asyncio.FIRST_COMPLETED,
    )
    if not draining.done():
        dismiss_calls(settings)
        await asyncio.wait([draining], timeout=LAST_WORDS_SECONDS)
    for task in (draining, hurry):
        task.cancel()


def dismiss_calls(settings: Settings) -> None:
    """Let every call of this worker end with a sentence: its process takes leave at SIGUSR2."""
    for path in spooled(settings.spool):
        header = read_header(path)
        if header is not None and is_child(header.pid):
            os.kill(header.pid, signal.SIGUSR2)


def is_child(pid: int) -> bool:
    """Return whether a process was started by this one, or by its server of forks."""
    try:
        group = os.getpgid(pid)
    except OSError:
        return False
    return group == os.getpgid(0)


def _write_registered(settings: Settings, began: float) -> None:
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"registered at {settings.livekit_url} as {settings.agent_name} after {seconds:.1f} s\n"
    )
    sys.stdout.flush()


def write_providers() -> None:
    """Write what this worker can speak with."""
    sys.stdout.write("\n".join(provider_lines()) + "\n")
    sys.stdout.flush()
