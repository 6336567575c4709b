"""The sandbox's control API (`docs/reference/api-contract.md` §11)."""

from typing import Any

import requests
from django.conf import settings

CONTROL_TIMEOUT_SECONDS = 10


class SandboxControl:
    """Reads what the sandbox dialed, and tells it which faults to simulate."""

    def __init__(self) -> None:
        self.url = f"{settings.LIVEKIT_URL}/_sandbox"
        # Learned before LiveKit's port is closed: there the control API is reachable meanwhile.
        self.control_url = ""
        self.http = requests.Session()
        # A proxy from the environment would not lead to this machine.
        self.http.trust_env = False

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded response. Raises requests.RequestException, also for an error status."""
        try:
            response = self.send(self.url, method, path, body)
        except requests.ConnectionError:
            if not self.control_url:
                raise
            response = self.send(self.control_url, method, path, body)
        response.raise_for_status()
        return response.json()

    def send(self, base_url: str, method: str, path: str, body: Any) -> requests.Response:
        url = f"{base_url}/{path}".rstrip("/")
        return self.http.request(method, url, json=body, timeout=CONTROL_TIMEOUT_SECONDS)

    def is_reachable(self) -> bool:
        try:
            self.dials()
        except requests.RequestException:
            return False
        return True

    def dials(self) -> list[dict[str, Any]]:
        """Every INVITE the sandbox sent, oldest first."""
        dials: list[dict[str, Any]] = self.request("GET", "dials")
        return dials

    def calls(self) -> list[dict[str, Any]]:
        """Every call the sandbox made or took, and how it went; oldest first."""
        calls: list[dict[str, Any]] = self.request("GET", "calls")
        return calls

    def rooms(self) -> set[str]:
        """The names of the rooms that are open."""
        return {room["room"]["name"] for room in self.request("GET", "rooms")}

    def crash(self, what: str, *, down_seconds: float) -> None:
        """Let a part of LiveKit die; its rooms stay in the store as they were, and a dead server
        refuses connections.
        """
        self.control_url = self.request("GET", "")["control_url"]
        body = {"what": what, "down_seconds": down_seconds, "stale": True, "refuse": True}
        self.request("POST", "crash", body)

    def down(self) -> list[str]:
        """The parts of LiveKit that are down."""
        down: list[str] = self.request("GET", "")["down"]
        return down

    def clear_dials(self) -> None:
        self.request("DELETE", "dials")

    def set_faults(self, *, seed: int, **rates: Any) -> None:
        """Replace the simulated faults; without any rate, end them all."""
        self.request("PUT", "faults", {"seed": seed, **rates})
