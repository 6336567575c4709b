"""What LiveKit must have for our rows of numbers and trunks, with the passwords in clear text."""

from dataclasses import dataclass, field

from telephony.clients.livekit.trunks import Inbound, InboundRoute, Outbound, TrunkConfig
from telephony.domain.dialled_form import national_spelling
from telephony.domain.room_names import room_prefix
from telephony.models import DialFormat, PhoneNumber, SipTrunk, Transport
from telephony.services.sip_headers import load_headers
from voiceops.core import crypto

LIVEKIT_TAG_PREFIX = "voiceops:"


@dataclass(frozen=True)
class SipSettings:
    """How a carrier is reached.

    `allowed_addresses` are the IP addresses or networks that may call in; empty allows all.
    """

    address: str
    transport: str = Transport.TCP
    auth_username: str = ""
    auth_password: str = field(default="", repr=False)
    allowed_addresses: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    dial_format: str | None = None
    dial_prefix: str | None = None
    codecs: tuple[str, ...] | None = None


def livekit_tag(row: PhoneNumber | SipTrunk) -> str:
    """Return the metadata by which everything of the row is found again at LiveKit."""
    return f"{LIVEKIT_TAG_PREFIX}{row.pk}"


def encrypt_password(row: PhoneNumber | SipTrunk, password: str) -> str:
    """Return the ciphertext to store: bound to this row, and empty for an empty password."""
    return crypto.encrypt(password, _encryption_context(row)) if password else ""


def decrypt_password(row: PhoneNumber | SipTrunk) -> str:
    """Return the password in clear text, for LiveKit only. Raises crypto.DecryptError."""
    stored = row.sip_auth_password if isinstance(row, PhoneNumber) else row.auth_password
    return crypto.decrypt(stored, _encryption_context(row)) if stored else ""


def config_of_number(number: PhoneNumber) -> TrunkConfig:
    """Return a number's two trunks, and a dispatch rule when an agent answers its calls.

    Raises crypto.DecryptError.
    """
    codecs = tuple(number.codecs or ())
    return TrunkConfig(
        tag=livekit_tag(number),
        name=f"VoiceOps {number.phone_number}",
        outbound=Outbound(
            address=number.sip_address,
            transport=number.sip_transport,
            numbers=(number.phone_number,),
            auth_username=number.sip_auth_username,
            auth_password=decrypt_password(number),
            headers=tuple(sorted(load_headers(number).items())),
            codecs=codecs,
        ),
        inbound=Inbound(
            numbers=_inbound_spellings(number),
            allowed_addresses=tuple(number.allowed_addresses),
            codecs=codecs,
        ),
        route=_route_of(number),
    )


def config_of_trunk(trunk: SipTrunk) -> TrunkConfig:
    """Return a standalone trunk: one direction, no dispatch rule. Raises crypto.DecryptError."""
    tag = livekit_tag(trunk)
    name = f"VoiceOps trunk {trunk.pk}"
    numbers = tuple(trunk.numbers)
    password = decrypt_password(trunk)
    if trunk.direction == SipTrunk.TrunkDirection.OUTBOUND:
        outbound = Outbound(trunk.address, trunk.transport, numbers, trunk.auth_username, password)
        return TrunkConfig(tag, name, outbound=outbound)
    allowed_addresses = tuple(trunk.allowed_addresses)
    inbound = Inbound(numbers, allowed_addresses, trunk.auth_username, password)
    return TrunkConfig(tag, name, inbound=inbound)


def _inbound_spellings(number: PhoneNumber) -> tuple[str, ...]:
    """Return the spellings in which its exchange names the number that is called.

    LiveKit adds a missing plus sign by itself, and would take a national number for a foreign one.
    """
    if number.dial_format != DialFormat.NATIONAL:
        return (number.phone_number,)
    return (number.phone_number, national_spelling(number.phone_number))


def _route_of(number: PhoneNumber) -> InboundRoute | None:
    agent = number.inbound_agent
    if agent is None or agent.deleted_at is not None:
        return None
    attributes = {"voiceops.phone_number_id": str(number.pk), "voiceops.agent_id": str(agent.pk)}
    return InboundRoute(room_prefix(number.pk), tuple(sorted(attributes.items())))


def _encryption_context(row: PhoneNumber | SipTrunk) -> str:
    column = "sip_auth_password" if isinstance(row, PhoneNumber) else "auth_password"
    return crypto.context_of(row._meta.db_table, column, row.pk)
