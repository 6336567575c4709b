"""A number at Twilio, bought or already owned, connected to LiveKit: a saga whose every step can be
taken back.

Each thing made at Twilio carries the row's tag as its friendly name (a trunk's sub-resources are
found through the trunk), so undoing does not depend on how far we came, nor on which answers
arrived. A number the account owned before is never released, and keeps its own name.
"""

import secrets
import string
from typing import Any

from django.conf import settings

from telephony.clients.twilio.client import OwnedNumber, Twilio
from telephony.clients.twilio.errors import TwilioError
from telephony.models import PhoneNumber
from telephony.services.trunk_config import SipSettings, decrypt_password

MAX_NUMBERS_FOUND = 200  # Twilio's inventory has no end and no order: a page of what is there now
SIP_PASSWORD_LENGTH = 32
TWILIO_TAG_PREFIX = "voiceops-"


def require_account() -> None:
    """Raises TwilioError when none is configured."""
    Twilio()


def list_twilio_tags() -> set[str]:
    """The tags of everything at Twilio that looks like ours. Raises TwilioError."""
    twilio = Twilio()
    rows = [*twilio.all_trunks(), *twilio.all_numbers(), *twilio.all_credential_lists()]
    return {
        row.friendly_name for row in rows if (row.friendly_name or "").startswith(TWILIO_TAG_PREFIX)
    }


def twilio_tag(number: PhoneNumber) -> str:
    return f"{TWILIO_TAG_PREFIX}{number.pk}"


def twilio_termination(number: PhoneNumber) -> SipSettings:
    """Where LiveKit will send calls of a number connected through Twilio, and with which new
    credentials.
    """
    return SipSettings(
        address=f"voiceops-{number.pk.hex}.pstn.twilio.com",
        auth_username=f"voiceops{secrets.token_hex(8)}",
        auth_password=generate_sip_password(),
    )


def generate_sip_password() -> str:
    """Twilio asks for 12 characters at least, with upper case, lower case and a digit."""
    letters = string.ascii_letters + string.digits
    while True:
        password = "".join(secrets.choice(letters) for _ in range(SIP_PASSWORD_LENGTH))
        if (
            any(c.islower() for c in password)
            and any(c.isupper() for c in password)
            and any(map(str.isdigit, password))
        ):
            return password


def search_numbers(*, country: str, kind: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """What Twilio sells now, as the API shows it. Raises TwilioError."""
    return [
        {
            "phone_number": row.phone_number,
            "friendly_name": row.friendly_name,
            "country": row.iso_country,
            "type": kind,
            "locality": row.locality,
            "region": row.region,
            "postal_code": row.postal_code,
            "address_requirements": row.address_requirements,
            "capabilities": {
                name.lower(): bool(able) for name, able in (row.capabilities or {}).items()
            },
        }
        for row in Twilio().available(country, kind, MAX_NUMBERS_FOUND, filters)
    ]


def connect_number(*, number: PhoneNumber, buy: bool) -> None:
    """Buy it (or find it among those owned), and make its trunk with origination and credentials.

    What was made is written down after each step, for people to see. Raises TwilioError at the
    first refusal; the caller undoes with `disconnect_number`.
    """
    twilio = Twilio()
    tag = twilio_tag(number)
    owned = _acquire_number(twilio, number, tag, buy=buy)
    trunk = twilio.create_trunk(tag, number.sip_address)
    _save_sids(number, trunk=trunk)
    _save_sids(number, origination=twilio.originate_to(trunk, origination_url(), tag))
    credential_list = twilio.create_credential_list(tag)
    _save_sids(number, credential_list=credential_list)
    twilio.create_credential(credential_list, number.sip_auth_username, decrypt_password(number))
    twilio.admit_list(trunk, credential_list)
    twilio.attach_number(trunk, owned.sid)


def disconnect_number(*, number: PhoneNumber) -> None:
    """The reverse of `connect_number`, last step first, from any point of it, any number of times.

    Raises TwilioError when Twilio could not be asked; what is left is found again next time.
    """
    twilio = Twilio()
    tag = twilio_tag(number)
    owned = twilio.owned(number.phone_number)
    for trunk in twilio.trunks(tag):
        _delete_trunk(twilio, trunk)
    for credential_list in twilio.credential_lists(tag):
        twilio.delete_credential_list(credential_list)
    if owned is None:
        return
    if number.provider_sids.get("bought") and owned.friendly_name == tag:
        twilio.release(owned.sid)
    elif application := number.provider_sids.get("voice_application"):
        twilio.restore_application(owned.sid, application)


def origination_url() -> str:
    """Where Twilio sends calls that come in: LiveKit's SIP address, over TCP."""
    return f"sip:{settings.LIVEKIT_SIP_HOST};transport=tcp"


def _acquire_number(twilio: Twilio, number: PhoneNumber, tag: str, *, buy: bool) -> OwnedNumber:
    owned = twilio.owned(number.phone_number)
    if buy:
        if owned is not None:
            raise TwilioError(
                "the account owns this number already; register it with provider twilio"
            )
        owned = twilio.buy(number.phone_number, tag)
    elif owned is None:
        raise TwilioError("the account does not own this number; buy it first")
    elif owned.trunk_sid:
        raise TwilioError(
            "the number is connected to another SIP trunk; disconnect it in the Twilio console"
        )
    _save_sids(number, number=owned.sid)
    if owned.voice_application_sid:
        _save_sids(number, voice_application=owned.voice_application_sid)
    return owned


def _delete_trunk(twilio: Twilio, trunk: str) -> None:
    for attached in twilio.numbers_of(trunk):
        twilio.detach_number(trunk, attached.sid)
    for admitted in twilio.lists_of(trunk):
        twilio.expel_list(trunk, admitted.sid)
    for origination in twilio.originations(trunk):
        twilio.delete_origination(trunk, origination.sid)
    twilio.delete_trunk(trunk)


def _save_sids(row: PhoneNumber, **sids: str) -> None:
    row.provider_sids = {**row.provider_sids, **sids}
    row.save(update_fields=["provider_sids"])
