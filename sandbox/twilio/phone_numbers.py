"""Phone numbers for sale and owned: AvailablePhoneNumbers and IncomingPhoneNumbers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sandbox.store import Row
from sandbox.twilio.account import ACCOUNT, NUMBERS, PRICES_USD, TRUNKS, Account
from sandbox.twilio.errors import TwilioError, missing_parameter, not_found
from sandbox.twilio.inventory import (
    NUMBER_TYPES,
    Offer,
    default_offers,
    matches_search,
    parse_offer,
)

# Twilio's magic numbers for test credentials, whose answers do not depend on the inventory.
MAGIC_UNAVAILABLE = "+15005550000"
MAGIC_INVALID = "+15005550001"
MAGIC_AVAILABLE = "+15005550006"
MAGIC_AVAILABLE_AREA = "500"
# The parameters that can be changed, and the names of their fields.
WRITABLE = {
    "FriendlyName": "friendly_name", "VoiceUrl": "voice_url", "VoiceMethod": "voice_method",
    "TrunkSid": "trunk_sid", "VoiceApplicationSid": "voice_application_sid",
    "AddressSid": "address_sid", "BundleSid": "bundle_sid", "StatusCallback": "status_callback",
}  # fmt: skip
FormFields = Mapping[str, str]


@dataclass
class PhoneNumbers:
    """The inventory, and the numbers that the account owns."""

    account: Account
    inventory: list[Offer] | None = field(default=None)  # None is the default inventory

    def __post_init__(self) -> None:
        if stored := self.account.store.table(ACCOUNT).get("inventory"):
            self.inventory = [parse_offer(entry) for entry in stored["entries"]]

    def set_inventory(self, entries: list[Any]) -> None:
        """Replace the inventory. Raises ValueError when an entry is invalid."""
        self.inventory = [parse_offer(entry) for entry in entries]
        self.account.store.put(ACCOUNT, "inventory", {"entries": entries})

    def search(self, country: str, kind: str, query: FormFields, path: str) -> list[dict[str, Any]]:
        """Return one page of the matching offers, which may be empty.

        Raises TwilioError when the country has no numbers of that type.
        """
        if kind not in NUMBER_TYPES.get(country, ()):
            raise not_found(path)
        owned = {row["phone_number"] for row in self.account.rows(NUMBERS)}
        matching = (
            offer.as_json()
            for offer in self._offers(country, kind, query.get("AreaCode", ""))
            if offer.phone_number not in owned and matches_search(offer, query)
        )
        return list(islice(matching, int(query.get("PageSize") or 50)))

    def _offers(self, country: str, kind: str, area_code: str) -> Iterator[Offer]:
        if self.inventory is None:
            return default_offers(country, kind, area_code)
        return (offer for offer in self.inventory if (offer.country, offer.kind) == (country, kind))

    def buy(self, form: FormFields) -> Row:
        """Buy a number and return its row.

        Raises TwilioError when it is not for sale, a requirement is missing or the balance is too
        low.
        """
        offer = self._find_offer(form)
        _check_requirements(offer, form)
        price = PRICES_USD[offer.kind]
        if self.account.balance < price:
            raise TwilioError(403, 20005, "Account not active")
        self._check_trunk(form)
        self.account.balance -= price
        return self.account.add(NUMBERS, "PN", **_number_fields(offer, form))

    def _find_offer(self, form: FormFields) -> Offer:
        if number := form.get("PhoneNumber"):
            return self._offer_by_number(number)
        if area := form.get("AreaCode"):
            return self._offer_by_area_code(area)
        raise missing_parameter("PhoneNumber or AreaCode")

    def _offer_by_number(self, number: str) -> Offer:
        if number == MAGIC_INVALID or not re.fullmatch(r"\+\d{8,15}", number):
            raise TwilioError(400, 21421, f"The phone number '{number}' is invalid.")
        if number == MAGIC_AVAILABLE:
            return Offer(number)
        unavailable = TwilioError(400, 21422, f"{number} is not available.")
        if number == MAGIC_UNAVAILABLE or self.account.rows(NUMBERS, phone_number=number):
            raise unavailable
        # A purchase names the number only, so every country and type is searched.
        for country, kinds in NUMBER_TYPES.items():
            for kind in kinds:
                area = number[2:5] if country in ("US", "CA") else ""
                for offer in self._offers(country, kind, area):
                    if offer.phone_number == number:
                        return offer
        raise unavailable

    def _offer_by_area_code(self, area: str) -> Offer:
        if not re.fullmatch(r"\d{3}", area):
            raise TwilioError(400, 21451, f"The area code '{area}' is invalid.")
        if area == MAGIC_AVAILABLE_AREA:
            return Offer(MAGIC_AVAILABLE)
        # The request names no country; an area code belongs to one of the two.
        country = "CA" if not any(self._offers("US", "Local", area)) else "US"
        for found in self.search(country, "Local", {"AreaCode": area, "PageSize": "1"}, ""):
            return self._offer_by_number(found["phone_number"])
        raise TwilioError(400, 21452, f"No phone numbers found in area code {area}.")

    def _check_trunk(self, form: FormFields) -> None:
        if (trunk := form.get("TrunkSid")) and trunk not in self.account.store.table(TRUNKS):
            raise TwilioError(400, 21609, f"Invalid TrunkSid {trunk}")

    def update(self, row: Row, form: FormFields) -> Row:
        """Change an owned number. Raises TwilioError when the trunk does not exist."""
        self._check_trunk(form)
        return attach_to_trunk(
            self.account, row, {WRITABLE[k]: v for k, v in form.items() if k in WRITABLE}
        )


def attach_to_trunk(account: Account, row: Row, values: Mapping[str, Any]) -> Row:
    """Change a number's fields. On a trunk it has no voice application, as with Twilio."""
    changes = dict(values)
    # A trunk takes the calls of its numbers, so their application is removed.
    if changes.get("trunk_sid"):
        changes["voice_application_sid"] = None
    # An empty text takes the number off its trunk.
    if changes.get("trunk_sid") == "":
        changes["trunk_sid"] = None
    return account.update(NUMBERS, row, **changes)


def _check_requirements(offer: Offer, form: FormFields) -> None:
    """Raises TwilioError when the offer needs a bundle or an address that is not given."""
    if offer.bundle and not form.get("BundleSid"):
        where = f"country: [{offer.country}] and numberType: [{offer.kind.upper()}]"
        raise TwilioError(400, 21649, f"Bundle required and not provided for {where}")
    if offer.address != "none" and not form.get("AddressSid"):
        raise TwilioError(
            400,
            21631,
            "Phone Number Requires an Address but the 'AddressSid' parameter was empty.",
        )


def _number_fields(offer: Offer, form: FormFields) -> dict[str, Any]:
    return {
        "phone_number": offer.phone_number,
        "friendly_name": form.get("FriendlyName") or offer.friendly_name,
        "address_requirements": offer.address,
        "address_sid": form.get("AddressSid"),
        "bundle_sid": form.get("BundleSid"),
        "trunk_sid": form.get("TrunkSid") or None,
        "api_version": "2010-04-01",
        "beta": False,
        "capabilities": {
            "voice": True,
            "sms": offer.kind != "TollFree",
            "mms": False,
            "fax": False,
        },
        "origin": "twilio",
        "status": "in-use",
        "type": offer.kind.lower(),
        "voice_url": form.get("VoiceUrl") or "",
        "voice_method": form.get("VoiceMethod") or "POST",
        "voice_application_sid": None if form.get("TrunkSid") else form.get("VoiceApplicationSid"),
        "voice_receive_mode": "voice",
        "voice_caller_id_lookup": False,
        "status_callback": form.get("StatusCallback") or "",
        "emergency_status": "Inactive",
        "emergency_address_sid": None,
        "emergency_address_status": "unregistered",
        "identity_sid": None,
    }
