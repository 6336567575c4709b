"""The callee's line in a room of LiveKit: whose keys count, and whom it calls in."""

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from livekit import api, rtc

from voice.bench.world import becomes_true
from voice.journal import Journal
from voice.lines.room import DTMF_TOPIC, RoomLine
from voice.lines.waiting import TRUNK, TRUNK_NUMBER, CalleeWatch, RoomDeletion, call_in
from voice.worker.job import find_clip

ATTRIBUTES = {TRUNK: "ST_1", TRUNK_NUMBER: "+12025550100", "sip.callStatus": "active"}


class Room(rtc.EventEmitter[Any]):
    """A room of whose participant only what it sends is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.tones: list[str] = []
        self.data: list[tuple[str, str, list[str]]] = []
        self.local_participant = self
        self.name = "vo-1"

    async def publish_dtmf(self, *, code: int, digit: str) -> None:
        self.tones.append(digit)

    async def publish_data(
        self, payload: str, *, topic: str, destination_identities: list[str]
    ) -> None:
        self.data.append((payload, topic, destination_identities))


class Server:
    """LiveKit's API: it answers a dial as it is told to."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.dials: list[Any] = []
        self.removed: list[str] = []
        self.sip = self.room = self

    async def create_sip_participant(self, request: Any) -> None:
        self.dials.append(request)
        if self.refusal is not None:
            raise self.refusal

    async def remove_participant(self, leg: Any) -> None:
        self.removed.append(leg.identity)


def make_line(attributes: dict[str, str] | None = ATTRIBUTES) -> tuple[RoomLine, Room, list[str]]:
    room: Any = Room()
    callee = CalleeWatch(Journal())
    callee.see("callee", attributes)
    server: Any = Server()
    line = RoomLine(room, server, callee, RoomDeletion(server, "vo-1"))
    heard: list[str] = []
    line.watch_digits(heard.append)
    return line, room, heard


def packet(data: bytes, sender: str | None, topic: str = DTMF_TOPIC) -> Any:
    participant = None if sender is None else SimpleNamespace(identity=sender)
    return SimpleNamespace(data=data, topic=topic, participant=participant)


async def test_only_the_callees_keys_are_heard() -> None:
    _, room, heard = make_line()

    for sender, digit in (("callee", "1"), ("colleague", "2"), ("callee", "3")):
        tone = SimpleNamespace(digit=digit, participant=SimpleNamespace(identity=sender))
        room.emit("sip_dtmf_received", tone)

    assert heard == ["1", "3"]


async def test_keys_that_voiceops_sends_are_pressed_and_those_of_others_are_not() -> None:
    _, room, heard = make_line()

    room.emit("data_received", packet(b"12w#", None))
    room.emit("data_received", packet(b"9", "colleague"))
    room.emit("data_received", packet(b"8", None, topic="chat"))
    room.emit("data_received", packet(b"drop table", None))
    await becomes_true(lambda: "#" in room.tones)

    assert (room.tones, heard) == (["1", "2", "#"], [])


async def test_a_browser_presses_and_gets_keys_as_text() -> None:
    line, room, heard = make_line(attributes=None)

    room.emit("data_received", packet(b"42", "callee"))
    await line.send_digits("17")

    assert heard == ["4", "2"]
    assert (room.tones, room.data) == ([], [("17", DTMF_TOPIC, ["callee"])])


async def call(attributes: dict[str, str], refusal: Exception | None = None) -> tuple[Any, Server]:
    callee = CalleeWatch(Journal())
    callee.see("callee", attributes)
    server: Any = Server(refusal)
    return await call_in(server, "vo-1", callee, "+12025550123"), server


async def test_a_colleague_is_called_by_the_callees_own_trunk() -> None:
    result, server = await call(ATTRIBUTES)

    [dial] = server.dials
    assert result.succeeded
    assert (dial.sip_trunk_id, dial.sip_number) == ("ST_1", "+12025550100")
    assert (dial.room_name, dial.sip_call_to) == ("vo-1", "+12025550123")
    assert (dial.participant_identity, dial.wait_until_answered) == ("colleague", True)
    assert server.removed == []


@pytest.mark.parametrize(
    ("refusal", "text", "code"),
    [
        (
            api.TwirpError(
                "failed_precondition",
                "sip status: 486",
                status=412,
                metadata={"sip_status_code": "486", "sip_status": "Busy Here"},
            ),
            "Busy Here",
            486,
        ),
        (TimeoutError(), "the other side did not answer in time", None),
    ],
)
async def test_a_colleague_who_does_not_answer_is_called_off(
    refusal: Exception, text: str, code: int | None
) -> None:
    result, server = await call(ATTRIBUTES, refusal)

    assert (result.succeeded, result.text, result.sip_status_code) == (False, text, code)
    assert len(server.dials) == 1
    assert server.removed == ["colleague"]


class Player:
    """Music that is only recorded."""

    steps: ClassVar[list[str]] = []

    async def start(self, *, room: Any) -> None:
        self.steps.append("start")

    def play(self, sound: Any, *, loop: bool) -> None:
        self.steps.append(f"{sound.source.name} {sound.volume} {loop}")

    async def aclose(self) -> None:
        self.steps.append("close")


@pytest.mark.parametrize("refusal", [None, TimeoutError()])
async def test_the_callee_hears_music_until_the_colleague_answers_or_does_not(
    refusal: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voice.lines.room.BackgroundAudioPlayer", Player)
    monkeypatch.setattr(Player, "steps", [])
    line, _, _ = make_line()
    server: Any = Server(refusal)
    line.server = server

    result = await line.call_in("+12025550123")

    assert result.succeeded is (refusal is None)
    assert Player.steps == ["start", "HOLD_MUSIC 0.5 True", "close"]


async def test_a_browser_has_no_trunk_to_call_a_colleague_with() -> None:
    result, server = await call({})

    assert (result.succeeded, result.text) == (False, "this call has no trunk to dial with")
    assert server.dials == []


@pytest.mark.parametrize(
    "name",
    [
        *("city_ambience", "forest_ambience", "office_ambience", "crowded_room"),
        *("keyboard_typing", "keyboard_typing2", "hold_music"),
    ],
)
def test_every_sound_of_an_agent_is_found_by_its_name(name: str) -> None:
    assert find_clip(name) is not None


def test_no_sound_is_none() -> None:
    assert find_clip("") is None
