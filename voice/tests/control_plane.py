"""A control plane that takes reports, and refuses them as it is told to."""

from aiohttp import web

from voice.journal import Event, Journal


class ControlPlane:
    """Stores what is reported; refuses events that are `bad`, and everything while `is_away`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_away = False
        self.status = 200
        self.posts = 0
        self.detail = "Received"
        self.url = ""

    async def report(self, request: web.Request) -> web.Response:
        self.posts += 1
        if self.is_away:
            return web.json_response({"detail": "away"}, status=503)
        if self.status != 200:
            return web.json_response({"detail": "no"}, status=self.status)
        assert request.headers["Authorization"] == "Bearer token"
        events = (await request.json())["events"]
        if any(event.get("bad") for event in events):
            return web.json_response({"detail": "a bad event"}, status=422)
        known = {event["id"] for event in self.events}
        self.events += [event for event in events if event["id"] not in known]
        return web.json_response({"detail": self.detail})

    def texts(self) -> list[str]:
        return [event["text"] for event in self.events if event["type"] == "turn"]


def add_turns(journal: Journal, count: int) -> list[str]:
    texts = [f"turn {number}" for number in range(count)]
    for text in texts:
        journal.add("turn", role="agent", text=text, interrupted=False)
    return texts
