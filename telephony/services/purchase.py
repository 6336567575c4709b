"""A number at Twilio, bought or already owned, connected to LiveKit in steps that can be undone.

Everything made at Twilio carries the row's tag as its friendly name (what belongs to a trunk is
found through the trunk). Undoing therefore depends neither on how many steps were done nor on which
answers arrived. A number that the account owned before is never released and keeps its own name.
"""

import secrets
import string
from typing import Any

from django.conf import settings

from telephony.clients.twilio.client import OwnedNumber, Twilio
from telephony.clients.twilio.errors import TwilioError
from telephony.models import PhoneNumber
from telephony.services.trunk_config import SipSettings, decrypt_password

MAX_NUMBERS_FOUND = 200  # Twilio's inventory is unbounded and unordered: one page of it suffices
SIP_PASSWORD_LENGTH = 32
TWILIO_TAG_PREFIX = "voiceops-"


def require_account() -> None:
    """Check that a Twilio account is configured. Raises TwilioError when none is."""
    Twilio()


def list_twilio_tags() -> set[str]:
    """Return the tags of everything at Twilio that looks like ours. Raises TwilioError."""
    twilio = Twilio()
    rows = [*twilio.list_trunks(), *twilio.list_numbers(), *twilio.list_credential_lists()]
    names = [row.friendly_name or "" for row in rows]
    return {name for name in names if name.startswith(TWILIO_TAG_PREFIX)}


def twilio_tag(number: PhoneNumber) -> str:
    """Return the friendly name of everything that is made at Twilio for the number."""
    return f"{TWILIO_TAG_PREFIX}{number.pk}"


def twilio_termination(number: PhoneNumber) -> SipSettings:
    """Return where LiveKit will send the number's outbound calls, with new credentials."""
    return SipSettings(
        address=f"voiceops-{number.pk.hex}.pstn.twilio.com",
        auth_username=f"voiceops{secrets.token_hex(8)}",
        auth_password=generate_sip_password(),
    )


def generate_sip_password() -> str:
    """Return a random password that Twilio accepts.

    Twilio requires at least 12 characters with an upper-case letter, a lower-case letter and a
    digit.
    """
    alphabet = string.ascii_letters + string.digits
    while True:
        password = "".join(secrets.choice(alphabet) for _ in range(SIP_PASSWORD_LENGTH))
        has_lower = any(character.islower() for character in password)
        has_upper = any(character.isupper() for character in password)
        has_digit = any(character.isdigit() for character in password)
        if has_lower and has_upper and has_digit:
            return password


def search_numbers(*, country: str, kind: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the numbers that Twilio sells now, as the API serializes them. Raises TwilioError."""
    rows = Twilio().search_numbers(country, kind, MAX_NUMBERS_FOUND, filters)
    return [_serialize_offer(row, kind) for row in rows]


def number_prices(*, country: str) -> dict[str, Any]:
    """Return what Twilio's numbers of a country cost a month, by type. Raises TwilioError."""
    currency, prices = Twilio().fetch_prices(country)
    return {"country": country, "currency": currency, "monthly": prices}


def _serialize_offer(row: Any, kind: str) -> dict[str, Any]:
    capabilities = row.capabilities or {}
    return {
        "phone_number": row.phone_number,
        "friendly_name": row.friendly_name,
        "country": row.iso_country,
        "type": kind,
        "locality": row.locality,
        "region": row.region,
        "postal_code": row.postal_code,
        "address_requirements": row.address_requirements,
        "capabilities": {name.lower(): bool(able) for name, able in capabilities.items()},
    }


def connect_number(*, number: PhoneNumber, buy: bool) -> None:
    """Buy the number, or find it among those owned, and connect it to a new trunk at Twilio.

    The ids of what was made are saved after each step, for staff to see. Raises TwilioError at the
    first refusal; the caller then undoes with `disconnect_number`.
    """
    twilio = Twilio()
    tag = twilio_tag(number)
    owned = _acquire_number(twilio, number, tag, buy=buy)

    trunk = twilio.create_trunk(tag, number.sip_address)
    _save_sids(number, trunk=trunk)
    _save_sids(number, origination=twilio.create_origination(trunk, origination_url(), tag))
    credential_list = twilio.create_credential_list(tag)
    _save_sids(number, credential_list=credential_list)
    twilio.create_credential(credential_list, number.sip_auth_username, decrypt_password(number))
    twilio.attach_credential_list(trunk, credential_list)
    # Last: from here on Twilio sends the number's calls to the trunk.
    twilio.attach_number(trunk, owned.sid)


def disconnect_number(*, number: PhoneNumber) -> None:
    """Undo `connect_number`, last step first, from any point of it and as often as needed.

    Raises TwilioError when Twilio could not be asked; what is left is found again next time.
    """
    twilio = Twilio()
    tag = twilio_tag(number)
    owned = twilio.find_owned_number(number.phone_number)
    for trunk in twilio.find_trunks(tag):
        _delete_trunk(twilio, trunk)
    for credential_list in twilio.find_credential_lists(tag):
        twilio.delete_credential_list(credential_list)

    if owned is None:
        return
    # A number is released only when we bought it and it still carries our tag.
    if number.provider_sids.get("bought") and owned.friendly_name == tag:
        twilio.release_number(owned.sid)
    elif application := number.provider_sids.get("voice_application"):
        twilio.restore_application(owned.sid, application)


def origination_url() -> str:
    """Return where Twilio sends inbound calls: LiveKit's SIP address, over TCP."""
    return f"sip:{settings.LIVEKIT_SIP_HOST};transport=tcp"


def _acquire_number(twilio: Twilio, number: PhoneNumber, tag: str, *, buy: bool) -> OwnedNumber:
    owned = twilio.find_owned_number(number.phone_number)
    if buy:
        if owned is not None:
            raise TwilioError(
                "the account owns this number already; register it with provider twilio"
            )
        owned = twilio.buy_number(number.phone_number, tag)
    elif owned is None:
        raise TwilioError("the account does not own this number; buy it first")
    elif owned.trunk_sid:
        raise TwilioError(
            "the number is connected to another SIP trunk; disconnect it in the Twilio console"
        )

    _save_sids(number, number=owned.sid)
    # Saved for the undo, because Twilio forgets it when the number is connected to a trunk.
    if owned.voice_application_sid:
        _save_sids(number, voice_application=owned.voice_application_sid)
    return owned


def _delete_trunk(twilio: Twilio, trunk: str) -> None:
    """Delete a trunk, after everything that is attached to it."""
    for attached in twilio.list_trunk_numbers(trunk):
        twilio.detach_number(trunk, attached.sid)
    for admitted in twilio.list_trunk_credential_lists(trunk):
        twilio.detach_credential_list(trunk, admitted.sid)
    for origination in twilio.list_originations(trunk):
        twilio.delete_origination(trunk, origination.sid)
    twilio.delete_trunk(trunk)


def _save_sids(row: PhoneNumber, **sids: str) -> None:
    row.provider_sids = {**row.provider_sids, **sids}
    row.save(update_fields=["provider_sids"])
