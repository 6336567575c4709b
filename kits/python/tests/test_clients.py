"""The two clients have the same methods, with the same arguments."""

import inspect

from voiceops import AsyncVoiceOps, VoiceOps

URL = "http://127.0.0.1:9"


def methods(client: object) -> dict[str, list[str]]:
    """Every method of every part of the API, with the names of its arguments."""
    return {
        f"{group}.{name}": list(inspect.signature(method).parameters)
        for group, part in vars(client).items()
        if not group.startswith("_")
        for name, method in inspect.getmembers(part, callable)
        if not name.startswith("_")
    }


def test_both_clients_have_the_same_methods() -> None:
    blocking, waiting = methods(VoiceOps(URL)), methods(AsyncVoiceOps(URL))

    assert blocking == waiting
    assert blocking["batches.recipients_close"][:2] == ["id", "recipient_id"]
    assert len(blocking) > 100
