"""Rooms that cannot be deleted: the node that had them is gone."""

from typing import Any

import pytest
from livekit import api

from telephony.clients.livekit.rooms import delete_room
from tests.telephony.dialing.fakes import FakeLiveKit, server_error
from voiceops.core.errors import ProviderError

GONE = server_error(500, "unknown", "could not find object")


class DeadNode(FakeLiveKit):
    """Plays a LiveKit whose rooms belong to a node that died, until they are made again."""

    def __init__(self, *, heals: bool = True) -> None:
        super().__init__()
        self.heals = heals

    async def delete_room(self, request: api.DeleteRoomRequest) -> None:
        if not (self.created and self.heals):
            raise GONE
        await super().delete_room(request)


async def test_room_of_a_dead_node_is_made_again_and_deleted() -> None:
    livekit: Any = DeadNode()

    await delete_room(livekit, "vo-1")

    assert [(room.name, len(room.agents)) for room in livekit.created] == [("vo-1", 0)]
    assert livekit.deleted == ["vo-1"]


async def test_room_that_cannot_be_healed_is_reported() -> None:
    livekit: Any = DeadNode(heals=False)

    with pytest.raises(ProviderError, match="could not find object"):
        await delete_room(livekit, "vo-1")

    assert len(livekit.created) == 1


@pytest.mark.parametrize("status", [500, 503])
async def test_other_failure_makes_no_room(status: int) -> None:
    livekit: Any = FakeLiveKit()
    livekit.failures["delete_room"] = server_error(status)

    with pytest.raises(ProviderError):
        await delete_room(livekit, "vo-1")

    assert livekit.created == []
