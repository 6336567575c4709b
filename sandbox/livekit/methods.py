"""Which Twirp path is served by what, and which grants it asks for (protocols.md 1.1)."""

from collections.abc import Callable
from typing import Any

from livekit.protocol import agent_dispatch, egress, room, sip

from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.agent_dispatch import Dispatching
from sandbox.livekit.dispatch_rules import Rules
from sandbox.livekit.egress import Egress
from sandbox.livekit.room_service import RoomService
from sandbox.livekit.sip_service import SipService
from sandbox.livekit.transfers import Transfers
from sandbox.livekit.trunks import Trunks
from sandbox.livekit.twirp import Method

CREATE_SIP_PARTICIPANT = "livekit.SIP/CreateSIPParticipant"
Allow = Callable[[Grants, Any], bool]


def _video(name: str) -> Allow:
    return lambda grants, request: bool(grants.video.get(name))


def _sip(name: str) -> Allow:
    return lambda grants, request: bool(grants.sip.get(name))


def _admin_of_room(grants: Grants, request: Any) -> bool:
    return grants.room_admin(request.room)


def room_methods(service: RoomService) -> dict[str, Method]:
    rooms = {
        "CreateRoom": Method(room.CreateRoomRequest, _video("roomCreate"), service.create),
        "ListRooms": Method(room.ListRoomsRequest, _video("roomList"), service.list),
        "DeleteRoom": Method(room.DeleteRoomRequest, _video("roomCreate"), service.delete),
        "ListParticipants": Method(
            room.ListParticipantsRequest, _admin_of_room, service.list_participants
        ),
        "GetParticipant": Method(
            room.RoomParticipantIdentity, _admin_of_room, service.get_participant
        ),
        "RemoveParticipant": Method(
            room.RoomParticipantIdentity, _admin_of_room, service.remove_participant
        ),
        "UpdateParticipant": Method(
            room.UpdateParticipantRequest, _admin_of_room, service.update_participant
        ),
        "UpdateRoomMetadata": Method(
            room.UpdateRoomMetadataRequest, _admin_of_room, service.update_metadata
        ),
        "SendData": Method(room.SendDataRequest, _admin_of_room, service.send_data),
        "MutePublishedTrack": Method(room.MuteRoomTrackRequest, _admin_of_room, service.mute),
    }
    return {f"livekit.RoomService/{name}": method for name, method in rooms.items()}


def dispatch_methods(service: Dispatching) -> dict[str, Method]:
    return {
        "livekit.AgentDispatchService/CreateDispatch": Method(
            agent_dispatch.CreateAgentDispatchRequest, _admin_of_room, service.create
        ),
        "livekit.AgentDispatchService/ListDispatch": Method(
            agent_dispatch.ListAgentDispatchRequest, _admin_of_room, service.list
        ),
        "livekit.AgentDispatchService/DeleteDispatch": Method(
            agent_dispatch.DeleteAgentDispatchRequest, _admin_of_room, service.delete
        ),
    }


def egress_methods(service: Egress) -> dict[str, Method]:
    record = _video("roomRecord")
    return {
        "livekit.Egress/StartRoomCompositeEgress": Method(
            egress.RoomCompositeEgressRequest, record, service.start_room_composite
        ),
        "livekit.Egress/ListEgress": Method(egress.ListEgressRequest, record, service.list),
        "livekit.Egress/StopEgress": Method(egress.StopEgressRequest, record, service.stop),
    }


def _transfer(grants: Grants, request: Any) -> bool:
    return bool(grants.sip.get("call")) and grants.room_admin(request.room_name)


def rule_methods(rules: Rules) -> dict[str, Method]:
    admin = _sip("admin")
    return {
        "livekit.SIP/CreateSIPDispatchRule": Method(
            sip.CreateSIPDispatchRuleRequest, admin, rules.create
        ),
        "livekit.SIP/UpdateSIPDispatchRule": Method(
            sip.UpdateSIPDispatchRuleRequest, admin, rules.update
        ),
        "livekit.SIP/ListSIPDispatchRule": Method(
            sip.ListSIPDispatchRuleRequest, admin, rules.list
        ),
        "livekit.SIP/DeleteSIPDispatchRule": Method(
            sip.DeleteSIPDispatchRuleRequest, admin, rules.delete
        ),
    }


def sip_methods(service: SipService, transfers: Transfers, trunks: Trunks) -> dict[str, Method]:
    admin = _sip("admin")
    methods = {
        "CreateSIPParticipant": Method(
            sip.CreateSIPParticipantRequest, _sip("call"), service.create
        ),
        "TransferSIPParticipant": Method(
            sip.TransferSIPParticipantRequest, _transfer, transfers.transfer
        ),
        "CreateSIPInboundTrunk": Method(
            sip.CreateSIPInboundTrunkRequest, admin, trunks.create_inbound
        ),
        "UpdateSIPInboundTrunk": Method(
            sip.UpdateSIPInboundTrunkRequest, admin, trunks.update_inbound
        ),
        "GetSIPInboundTrunk": Method(sip.GetSIPInboundTrunkRequest, admin, trunks.get_inbound),
        "ListSIPInboundTrunk": Method(sip.ListSIPInboundTrunkRequest, admin, trunks.list_inbound),
        "CreateSIPOutboundTrunk": Method(
            sip.CreateSIPOutboundTrunkRequest, admin, trunks.create_outbound
        ),
        "UpdateSIPOutboundTrunk": Method(
            sip.UpdateSIPOutboundTrunkRequest, admin, trunks.update_outbound
        ),
        "GetSIPOutboundTrunk": Method(sip.GetSIPOutboundTrunkRequest, admin, trunks.get_outbound),
        "ListSIPOutboundTrunk": Method(
            sip.ListSIPOutboundTrunkRequest, admin, trunks.list_outbound
        ),
        "DeleteSIPTrunk": Method(sip.DeleteSIPTrunkRequest, admin, trunks.delete),
    }
    return {f"livekit.SIP/{name}": method for name, method in methods.items()}
