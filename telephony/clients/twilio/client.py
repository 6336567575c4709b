"""Twilio's numbers and elastic SIP trunks, behind one wrapper that knows its client's traps.

`docs/reference/protocols.md §6` describes them:

timeout     the client has none by default and would wait for ever (`http_client`)
base URL    for a sandbox, scheme and host of every request are replaced, also of absolute page URLs
429         was never processed, so it may be sent again; nothing else may
errors      are told apart by their code and given in words that an operator can act on
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from telephony.clients.twilio.errors import TwilioError, create_once, delete_if_exists, send_request
from voiceops.core.lazy_module import LazyModule

if TYPE_CHECKING:
    from twilio import rest

    from telephony.clients.twilio import http_client
else:
    rest = LazyModule("twilio.rest")
    http_client = LazyModule("telephony.clients.twilio.http_client")

PAGE_ROWS = 100


@dataclass(frozen=True)
class OwnedNumber:
    """A number of the account, with what it is connected to; empty strings for nothing."""

    sid: str
    friendly_name: str
    trunk_sid: str
    voice_application_sid: str


class Twilio:
    """The account that the settings name.

    Every method raises TwilioError when Twilio refuses or cannot be reached. Deleting, releasing or
    detaching something that is already gone is fine.
    """

    def __init__(self) -> None:
        if not (settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN):
            raise TwilioError(
                "no account is configured; set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
            )
        self.client = rest.Client(
            settings.TWILIO_ACCOUNT_SID,
            settings.TWILIO_AUTH_TOKEN,
            http_client=http_client.HttpClient(settings.TWILIO_BASE_URL),
        )

    def account_status(self) -> str:
        """Return `active`, `suspended` or `closed`. Raises TwilioError."""
        account = self.client.api.v2010.accounts(settings.TWILIO_ACCOUNT_SID)
        return str(send_request(account.fetch).status)

    # --- numbers

    def search_numbers(
        self, country: str, kind: str, limit: int, filters: dict[str, Any]
    ) -> list[Any]:
        """Return numbers for sale that carry voice; `kind` is local, toll_free or mobile.

        Nothing where no such numbers are sold in the country. Raises TwilioError.
        """
        inventory = getattr(self.client.available_phone_numbers(country), kind)
        try:
            found: list[Any] = send_request(
                lambda: inventory.list(voice_enabled=True, limit=limit, **filters)
            )
        except TwilioError as error:
            if error.is_not_found:
                return []
            raise
        return found

    def fetch_prices(self, country: str) -> tuple[str, dict[str, float]]:
        """Return the currency, and what numbers cost a month now, by type as in searches.

        Nothing for a country in which no numbers are sold. Raises TwilioError.
        """
        priced = self.client.pricing.v1.phone_numbers.countries(country)
        try:
            found = send_request(priced.fetch)
        except TwilioError as error:
            if error.is_not_found:
                return "USD", {}
            raise
        prices = {
            str(row["number_type"]).replace(" ", "_"): float(row["current_price"])
            for row in found.phone_number_prices or ()
        }
        return str(found.price_unit), prices

    def find_owned_number(self, phone_number: str) -> OwnedNumber | None:
        """Return the account's number with these digits (E.164), or None. Raises TwilioError."""
        numbers = self.client.incoming_phone_numbers
        rows = send_request(lambda: numbers.list(phone_number=phone_number, limit=PAGE_ROWS))
        row = next((row for row in rows if row.phone_number == phone_number), None)
        if row is None:
            return None
        return OwnedNumber(
            sid=row.sid,
            friendly_name=row.friendly_name or "",
            trunk_sid=row.trunk_sid or "",
            voice_application_sid=row.voice_application_sid or "",
        )

    def list_numbers(self) -> list[Any]:
        """Return all numbers of the account. Raises TwilioError."""
        numbers = self.client.incoming_phone_numbers
        rows: list[Any] = send_request(lambda: numbers.list(page_size=PAGE_ROWS))
        return rows

    def buy_number(self, phone_number: str, tag: str) -> OwnedNumber:
        """Buy the number (E.164), which costs money, and name it `tag`.

        After a lost answer the purchase is looked up and never made a second time. Raises
        TwilioError.
        """

        def find() -> OwnedNumber | None:
            number = self.find_owned_number(phone_number)
            # Our tag tells this purchase from a number that the account owned before.
            return number if number is not None and number.friendly_name == tag else None

        def buy() -> OwnedNumber:
            numbers = self.client.incoming_phone_numbers
            row = send_request(lambda: numbers.create(phone_number=phone_number, friendly_name=tag))
            return OwnedNumber(row.sid, tag, row.trunk_sid or "", "")

        return create_once(buy, find)

    def release_number(self, sid: str) -> None:
        """Give the number back to Twilio. Raises TwilioError."""
        delete_if_exists(self.client.incoming_phone_numbers(sid).delete)

    def restore_application(self, number_sid: str, application_sid: str) -> None:
        """Let the application answer the number again. Raises TwilioError.

        Twilio forgets it when the number is connected to a trunk.
        """
        number = self.client.incoming_phone_numbers(number_sid)
        send_request(lambda: number.update(voice_application_sid=application_sid))

    # --- trunks

    def find_trunks(self, tag: str) -> list[str]:
        """Return the SIDs of the trunks with this name. Raises TwilioError."""
        return _sids_tagged(self.list_trunks(), tag)

    def list_trunks(self) -> list[Any]:
        """Return all trunks of the account. Raises TwilioError."""
        trunks = self.client.trunking.v1.trunks
        rows: list[Any] = send_request(lambda: trunks.list(page_size=PAGE_ROWS))
        return rows

    def create_trunk(self, tag: str, domain: str) -> str:
        """Create a trunk with this name and termination domain; returns its SID.

        Raises TwilioError.
        """

        def create() -> str:
            trunks = self.client.trunking.v1.trunks
            row = send_request(
                # Twilio refuses the REFER of a transfer unless its trunk allows it with
                # `transfer_mode`.
                lambda: trunks.create(
                    friendly_name=tag, domain_name=domain, transfer_mode="enable-all"
                )
            )
            return str(row.sid)

        return create_once(create, lambda: next(iter(self.find_trunks(tag)), None))

    def delete_trunk(self, trunk_sid: str) -> None:
        """Delete the trunk. Raises TwilioError."""
        delete_if_exists(self._trunk(trunk_sid).delete)

    def list_originations(self, trunk_sid: str) -> list[Any]:
        """Return where calls to the trunk's numbers go; nothing when the trunk is gone.

        Raises TwilioError.
        """
        return self._list_of_trunk(self._trunk(trunk_sid).origination_urls)

    def create_origination(self, trunk_sid: str, sip_url: str, tag: str) -> str:
        """Send the trunk's inbound calls to this SIP URL; return the SID. Raises TwilioError."""

        def create() -> str:
            urls = self._trunk(trunk_sid).origination_urls
            row = send_request(
                # Twilio requires all five, although priorities mean nothing with a single
                # destination.
                lambda: urls.create(
                    weight=1, priority=1, enabled=True, friendly_name=tag, sip_url=sip_url
                )
            )
            return str(row.sid)

        return create_once(create, lambda: _first_sid(self.list_originations(trunk_sid)))

    def delete_origination(self, trunk_sid: str, sid: str) -> None:
        """Delete one destination of the trunk's calls. Raises TwilioError."""
        delete_if_exists(self._trunk(trunk_sid).origination_urls(sid).delete)

    def list_trunk_numbers(self, trunk_sid: str) -> list[Any]:
        """Return the numbers on the trunk; nothing when it is gone. Raises TwilioError."""
        return self._list_of_trunk(self._trunk(trunk_sid).phone_numbers)

    def attach_number(self, trunk_sid: str, number_sid: str) -> str:
        """Connect the number to the trunk; returns its SID. Raises TwilioError."""

        def attach() -> str:
            numbers = self._trunk(trunk_sid).phone_numbers
            return str(send_request(lambda: numbers.create(phone_number_sid=number_sid)).sid)

        def find() -> str | None:
            sids = [number.sid for number in self.list_trunk_numbers(trunk_sid)]
            return number_sid if number_sid in sids else None

        return create_once(attach, find)

    def detach_number(self, trunk_sid: str, number_sid: str) -> None:
        """Disconnect the number from the trunk. Raises TwilioError."""
        delete_if_exists(self._trunk(trunk_sid).phone_numbers(number_sid).delete)

    # --- credentials with which LiveKit may call through a trunk

    def find_credential_lists(self, tag: str) -> list[str]:
        """Return the SIDs of the credential lists with this name. Raises TwilioError."""
        return _sids_tagged(self.list_credential_lists(), tag)

    def list_credential_lists(self) -> list[Any]:
        """Return all credential lists of the account. Raises TwilioError."""
        lists = self.client.sip.credential_lists
        rows: list[Any] = send_request(lambda: lists.list(page_size=PAGE_ROWS))
        return rows

    def create_credential_list(self, tag: str) -> str:
        """Create an empty credential list with this name; returns its SID. Raises TwilioError."""

        def create() -> str:
            lists = self.client.sip.credential_lists
            return str(send_request(lambda: lists.create(friendly_name=tag)).sid)

        return create_once(create, lambda: next(iter(self.find_credential_lists(tag)), None))

    def create_credential(self, list_sid: str, username: str, password: str) -> str:
        """Add a credential to the list; returns its SID. Raises TwilioError."""
        credentials = self.client.sip.credential_lists(list_sid).credentials

        def create() -> str:
            row = send_request(lambda: credentials.create(username=username, password=password))
            return str(row.sid)

        def find() -> str | None:
            rows = send_request(lambda: credentials.list(page_size=PAGE_ROWS))
            return _first_sid(row for row in rows if row.username == username)

        return create_once(create, find)

    def delete_credential_list(self, sid: str) -> None:
        """Delete the list with its credentials. Raises TwilioError."""
        delete_if_exists(self.client.sip.credential_lists(sid).delete)

    def list_trunk_credential_lists(self, trunk_sid: str) -> list[Any]:
        """Return the credential lists that the trunk accepts; nothing when it is gone.

        Raises TwilioError.
        """
        return self._list_of_trunk(self._trunk(trunk_sid).credentials_lists)

    def attach_credential_list(self, trunk_sid: str, list_sid: str) -> str:
        """Let the trunk accept the credential list; returns its SID. Raises TwilioError."""

        def attach() -> str:
            lists = self._trunk(trunk_sid).credentials_lists
            return str(send_request(lambda: lists.create(credential_list_sid=list_sid)).sid)

        return create_once(attach, lambda: _first_sid(self.list_trunk_credential_lists(trunk_sid)))

    def detach_credential_list(self, trunk_sid: str, sid: str) -> None:
        """Let the trunk no longer accept the credential list. Raises TwilioError."""
        delete_if_exists(self._trunk(trunk_sid).credentials_lists(sid).delete)

    # --- helpers

    def _trunk(self, sid: str) -> Any:
        return self.client.trunking.v1.trunks(sid)

    def _list_of_trunk(self, rows: Any) -> list[Any]:
        """Return a part of a trunk; nothing when the trunk is gone. Raises TwilioError."""
        try:
            return list(send_request(lambda: rows.list(page_size=PAGE_ROWS)))
        except TwilioError as error:
            if error.is_not_found:
                return []
            raise


def _sids_tagged(rows: Iterable[Any], tag: str) -> list[str]:
    return [str(row.sid) for row in rows if row.friendly_name == tag]


def _first_sid(rows: Iterable[Any]) -> str | None:
    return next((str(row.sid) for row in rows), None)
