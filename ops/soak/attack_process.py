"""Runs the attacks in a process of their own, because threads beside the one that measures would
slow it down.
"""

import multiprocessing
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

from ops.soak.attacks import ATTACKS, Attacker, HostileWorkspace
from voiceops.core.errors import DomainError

Answers = Counter[tuple[str, str]]

ATTACK_PAUSE_SECONDS = 0.05  # between two tries of one attack
# An attacker's computer is another one than the server: here both share the processor.
ATTACKER_NICENESS = 10
ATTACKERS_START_SECONDS = 30.0
ATTACKERS_STOP_SECONDS = 10.0


@contextmanager
def under_attack(workspace: HostileWorkspace, answers: Answers) -> Iterator[None]:
    """All attacks at once, each again and again, while the block runs.

    Then `answers` has how often each status was answered to each attack. Raises DomainError when
    the process does not start or has died.
    """
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=attack, args=(workspace, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        receive(ours, ATTACKERS_START_SECONDS)
        yield
        ours.send("stop")
        answers.update(receive(ours, ATTACKERS_STOP_SECONDS))
    finally:
        process.kill()
        process.join()


def receive(connection: Connection, seconds: float) -> Answers:
    """Return what the attackers' process sends. Raises DomainError when it does not."""
    try:
        if connection.poll(seconds):
            received: Answers = connection.recv()
            return received
    except EOFError:
        pass
    raise DomainError("The process of the attackers has died")


def attack(workspace: HostileWorkspace, connection: Connection) -> None:
    """Attack until told to stop, and send what was answered. Runs in a process of its own."""
    os.nice(ATTACKER_NICENESS)
    attacker = Attacker(**vars(workspace))
    for step in ATTACKS:
        arguments = (attacker, step)
        threading.Thread(target=repeat, args=arguments, name=step.__name__, daemon=True).start()
    connection.send(attacker.answers)
    connection.recv()
    attacker.stopped.set()
    with attacker.lock:
        connection.send(attacker.answers)


def repeat(attacker: Attacker, step: Callable[[Attacker], None]) -> None:
    """Run one attack again and again until stopped."""
    while not attacker.stopped.is_set():
        step(attacker)
        attacker.stopped.wait(ATTACK_PAUSE_SECONDS)


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        accepted = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    accepted.append(listener.accept()[0])

        threading.Thread(target=accept, name="silent-server", daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    for connection in accepted:
        connection.close()
