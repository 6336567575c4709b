"""What one hostile workspace, and a stranger, try at the same time: each attack once made everybody
wait, or filled the disk or the memory. `attack_process` runs them.
"""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests

from ops.demo.client import Api

ATTACK_TIMEOUT_SECONDS = 120.0
WIDE_COLUMNS = 1_000
OWN_VARIABLE_RECIPIENTS = 3_000
UNKNOWN_NAMES = 300_000
WRONG_EVENTS = 100_000
BIG_LIST_ROWS = 50_000
BIG_LISTS = 10
GUESSERS = 10
REFUSED_BODY_BYTES = 200_000
DEAD_ENDPOINTS = 20
BROKEN = "connection lost"
JSON_HEADERS = {"Content-Type": "application/json"}


@dataclass
class HostileWorkspace:
    """What the attacks use; another process can receive it."""

    api: Api
    agent_id: str
    phone_number_id: str
    dead_url: str


@dataclass
class Attacker(HostileWorkspace):
    """The hostile workspace at work. `answers` counts statuses by attack."""

    stopped: threading.Event = field(default_factory=threading.Event)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, attack: str, method: str, path: str, **content: Any) -> None:
        """Send a request and count its status. Raises nothing for what the network does."""
        try:
            # A session of its own: they are not safe to share between threads.
            response = requests.request(
                method,
                self.api.url + path,
                headers={**dict(self.api.http.headers), **content.pop("headers", {})},
                timeout=ATTACK_TIMEOUT_SECONDS,
                allow_redirects=False,
                **content,
            )
        except requests.RequestException as error:
            self.count(attack, type(error).__name__)
        else:
            self.count(attack, str(response.status_code))

    def count(self, attack: str, answer: str) -> None:
        with self.lock:
            self.answers[attack, answer] += 1

    @property
    def batch_fields(self) -> dict[str, str]:
        return {
            "name": "Hostile",
            "agent_id": self.agent_id,
            "phone_number_id": self.phone_number_id,
        }


# Built once: an attacker who is busy building attacks less.
@cache
def own_variables() -> str:
    rows = [
        {"phone_number": "+12025550123", "variables": {f"v{n}": "x"}}
        for n in range(OWN_VARIABLE_RECIPIENTS)
    ]
    return json.dumps(rows)


@cache
def unknown_names() -> bytes:
    return json.dumps({f"n{n}": 1 for n in range(UNKNOWN_NAMES)}).encode()


@cache
def wrong_events() -> bytes:
    body = {"url": "https://example.com/", "events": ["wrong"] * WRONG_EVENTS}
    return json.dumps(body).encode()


def send_wide_header(attacker: Attacker) -> None:
    header = ",".join(["name"] * WIDE_COLUMNS)
    file = {"file": ("wide.csv", f"phone,{header}\n+12025550123\n".encode())}
    fields = attacker.batch_fields
    attacker.send("wide header", "POST", "/batches/preview", data=fields, files=file)


def send_own_variables(attacker: Attacker) -> None:
    fields = json.dumps(attacker.batch_fields)[:-1]
    body = f'{fields}, "recipients": {own_variables()}}}'
    attacker.send("own variables", "POST", "/batches", data=body, headers=JSON_HEADERS)


def send_unknown_names(attacker: Attacker) -> None:
    attacker.send("unknown names", "POST", "/agents", data=unknown_names(), headers=JSON_HEADERS)
    attacker.send("unknown names", "POST", "/batches", data=unknown_names(), headers=JSON_HEADERS)


def send_wrong_events(attacker: Attacker) -> None:
    attacker.send("wrong events", "POST", "/webhooks", data=wrong_events(), headers=JSON_HEADERS)


def send_refused_bodies(attacker: Attacker) -> None:
    """Send a body that is refused unread, and then a request on the same connection."""
    place = urlsplit(attacker.api.url).netloc
    connection = http.client.HTTPConnection(place, timeout=ATTACK_TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json", "X-Forwarded-Proto": "https"}
    try:
        for _ in range(4):
            connection.request("POST", "/batches", b"x" * REFUSED_BODY_BYTES, headers)
            connection.getresponse().read()
            connection.request("GET", "/healthz", headers=headers)
            response = connection.getresponse()
            response.read()
            attacker.count("refused bodies", str(response.status))
    except (OSError, http.client.HTTPException):
        attacker.count("refused bodies", BROKEN)
    finally:
        connection.close()


def read_openapi(attacker: Attacker) -> None:
    attacker.send("openapi", "GET", f"/openapi.json?x={time.monotonic_ns()}")


def flood_test_calls(attacker: Attacker) -> None:
    path = f"/phone-numbers/{attacker.phone_number_id}/test"
    attacker.send("test calls", "POST", path, json={"to": "+12025550160"})


def send_large_numbers(attacker: Attacker) -> None:
    body = (
        f'{{"agent_id": "{attacker.agent_id}", "phone_number_id": "{attacker.phone_number_id}", '
        '"to": "+12025550123", "variables": {"first_name": 1e25}}'
    )
    attacker.send("large numbers", "POST", "/calls", data=body, headers=JSON_HEADERS)


def send_big_lists(attacker: Attacker) -> None:
    """Upload ten lists, and then look on: more would only fill the database."""
    rows = "".join(f"+1201{n:07},Ada\n" for n in range(2_000_000, 2_000_000 + BIG_LIST_ROWS))
    content = ("phone,first_name\n" + rows).encode()
    for _ in range(BIG_LISTS):
        if attacker.stopped.is_set():
            return
        file = {"file": ("big.csv", content)}
        attacker.send("big lists", "POST", "/batches", data=attacker.batch_fields, files=file)
    attacker.stopped.wait()


def guess_passwords(attacker: Attacker) -> None:
    body = {"email": attacker.api.credentials["email"], "password": "not the password"}
    attacker.send("password guesses", "POST", "/auth/login", json=body)


def add_dead_endpoints(attacker: Attacker) -> None:
    """Register endpoints that never answer; the workspace's calls then have events for them."""
    for _ in range(DEAD_ENDPOINTS):
        attacker.send("dead endpoints", "POST", "/webhooks", json={"url": attacker.dead_url})
    attacker.stopped.wait()


ATTACKS: tuple[Callable[[Attacker], None], ...] = (
    send_wide_header,
    send_own_variables,
    send_unknown_names,
    send_wrong_events,
    send_refused_bodies,
    read_openapi,
    flood_test_calls,
    send_large_numbers,
    send_big_lists,
    add_dead_endpoints,
    *[guess_passwords] * GUESSERS,
)
