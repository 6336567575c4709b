"""From our rows to what LiveKit must have for them; and the secrets that only this step reads."""

from dataclasses import dataclass, field

from telephony.clients.livekit.trunks import Inbound, InboundRoute, Outbound, TrunkConfig
from telephony.domain.room_names import room_prefix
from telephony.models import PhoneNumber, SipTrunk, Transport
from voiceops.core import crypto


@dataclass(frozen=True)
class SipSettings:
    """How a carrier is reached. `allowed_addresses` (IP addresses or networks) are who may call in,
    empty for all.
    """

    address: str
    transport: str = Transport.TCP
    auth_username: str = ""
    auth_password: str = field(default="", repr=False)
    allowed_addresses: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


def livekit_tag(row: PhoneNumber | SipTrunk) -> str:
    """By this metadata everything that belongs to the row is found again at LiveKit."""
    return f"voiceops:{row.pk}"


def encrypt_password(row: PhoneNumber | SipTrunk, password: str) -> str:
    """What to store for it. The ciphertext belongs to this row alone; no password is stored as
    none.
    """
    return crypto.encrypt(password, _encryption_context(row)) if password else ""


def decrypt_password(row: PhoneNumber | SipTrunk) -> str:
    """The password in the clear, for LiveKit only. Raises crypto.DecryptError."""
    stored = row.sip_auth_password if isinstance(row, PhoneNumber) else row.auth_password
    return crypto.decrypt(stored, _encryption_context(row)) if stored else ""


def config_of_number(number: PhoneNumber) -> TrunkConfig:
    """An outbound trunk, an inbound trunk, and a rule when an agent takes the calls. Raises
    crypto.DecryptError.
    """
    return TrunkConfig(
        tag=livekit_tag(number),
        name=f"VoiceOps {number.phone_number}",
        outbound=Outbound(
            address=number.sip_address,
            transport=number.sip_transport,
            numbers=(number.phone_number,),
            auth_username=number.sip_auth_username,
            auth_password=decrypt_password(number),
            headers=tuple(sorted(number.headers.items())),
        ),
        inbound=Inbound(
            numbers=(number.phone_number,), allowed_addresses=tuple(number.allowed_addresses)
        ),
        route=_route_of(number),
    )


def config_of_trunk(trunk: SipTrunk) -> TrunkConfig:
    """A trunk that somebody brought: one direction, no rule. Raises crypto.DecryptError."""
    tag, name, numbers = livekit_tag(trunk), f"VoiceOps trunk {trunk.pk}", tuple(trunk.numbers)
    username, password = trunk.auth_username, decrypt_password(trunk)
    if trunk.direction == SipTrunk.TrunkDirection.OUTBOUND:
        return TrunkConfig(
            tag,
            name,
            outbound=Outbound(trunk.address, trunk.transport, numbers, username, password),
        )
    return TrunkConfig(
        tag, name, inbound=Inbound(numbers, tuple(trunk.allowed_addresses), username, password)
    )


def _route_of(number: PhoneNumber) -> InboundRoute | None:
    agent = number.inbound_agent
    if agent is None or agent.deleted_at is not None:
        return None
    attributes = {"voiceops.phone_number_id": str(number.pk), "voiceops.agent_id": str(agent.pk)}
    return InboundRoute(room_prefix(number.pk), tuple(sorted(attributes.items())))


def _encryption_context(row: PhoneNumber | SipTrunk) -> str:
    column = "sip_auth_password" if isinstance(row, PhoneNumber) else "auth_password"
    return crypto.context_of(row._meta.db_table, column, row.pk)
