"""The Twirp methods by path, with the grants they need (docs/reference/protocols.md §1.1)."""

from collections.abc import Callable
from typing import Any

from livekit.protocol import agent_dispatch, egress, room, sip

from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.agent_dispatch import AgentDispatcher
from sandbox.livekit.dispatch_rules import DispatchRules
from sandbox.livekit.egress import Egress
from sandbox.livekit.room_service import RoomService
from sandbox.livekit.sip_service import SipService
from sandbox.livekit.transfers import Transfers
from sandbox.livekit.trunks import Trunks
from sandbox.livekit.twirp import Method

CREATE_SIP_PARTICIPANT = "livekit.SIP/CreateSIPParticipant"
Allow = Callable[[Grants, Any], bool]


def _needs_video_grant(name: str) -> Allow:
    return lambda grants, request: bool(grants.video.get(name))


def _needs_sip_grant(name: str) -> Allow:
    return lambda grants, request: bool(grants.sip.get(name))


def _needs_room_admin(grants: Grants, request: Any) -> bool:
    return grants.is_room_admin(request.room)


def room_methods(service: RoomService) -> dict[str, Method]:
    rooms = {
        "CreateRoom": Method(
            room.CreateRoomRequest, _needs_video_grant("roomCreate"), service.create
        ),
        "ListRooms": Method(room.ListRoomsRequest, _needs_video_grant("roomList"), service.list),
        "DeleteRoom": Method(
            room.DeleteRoomRequest, _needs_video_grant("roomCreate"), service.delete
        ),
        "ListParticipants": Method(
            room.ListParticipantsRequest, _needs_room_admin, service.list_participants
        ),
        "GetParticipant": Method(
            room.RoomParticipantIdentity, _needs_room_admin, service.get_participant
        ),
        "RemoveParticipant": Method(
            room.RoomParticipantIdentity, _needs_room_admin, service.remove_participant
        ),
        "UpdateParticipant": Method(
            room.UpdateParticipantRequest, _needs_room_admin, service.update_participant
        ),
        "UpdateRoomMetadata": Method(
            room.UpdateRoomMetadataRequest, _needs_room_admin, service.update_metadata
        ),
        "SendData": Method(room.SendDataRequest, _needs_room_admin, service.send_data),
        "MutePublishedTrack": Method(room.MuteRoomTrackRequest, _needs_room_admin, service.mute),
    }
    return {f"livekit.RoomService/{name}": method for name, method in rooms.items()}


def dispatch_methods(service: AgentDispatcher) -> dict[str, Method]:
    return {
        "livekit.AgentDispatchService/CreateDispatch": Method(
            agent_dispatch.CreateAgentDispatchRequest, _needs_room_admin, service.create
        ),
        "livekit.AgentDispatchService/ListDispatch": Method(
            agent_dispatch.ListAgentDispatchRequest, _needs_room_admin, service.list
        ),
        "livekit.AgentDispatchService/DeleteDispatch": Method(
            agent_dispatch.DeleteAgentDispatchRequest, _needs_room_admin, service.delete
        ),
    }


def egress_methods(service: Egress) -> dict[str, Method]:
    record = _needs_video_grant("roomRecord")
    return {
        "livekit.Egress/StartRoomCompositeEgress": Method(
            egress.RoomCompositeEgressRequest, record, service.start_room_composite
        ),
        "livekit.Egress/ListEgress": Method(egress.ListEgressRequest, record, service.list),
        "livekit.Egress/StopEgress": Method(egress.StopEgressRequest, record, service.stop),
    }


def _needs_transfer_grants(grants: Grants, request: Any) -> bool:
    return bool(grants.sip.get("call")) and grants.is_room_admin(request.room_name)


def rule_methods(rules: DispatchRules) -> dict[str, Method]:
    admin = _needs_sip_grant("admin")
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
    admin = _needs_sip_grant("admin")
    methods = {
        "CreateSIPParticipant": Method(
            sip.CreateSIPParticipantRequest, _needs_sip_grant("call"), service.create
        ),
        "TransferSIPParticipant": Method(
            sip.TransferSIPParticipantRequest, _needs_transfer_grants, transfers.transfer
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
