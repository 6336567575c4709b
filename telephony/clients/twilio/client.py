"""Twilio's numbers and elastic SIP trunks, behind one wrapper that knows its client's traps
(`protocols.md` §6).

timeout      the client has none by default and would wait for ever
base URL     only for a sandbox: scheme and host of every request are replaced, those of absolute
page URLs too 429          was never processed, so it may be sent again; nothing else is errors
told by their code, in words an operator can act on
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from telephony.clients.twilio.errors import TwilioError, call, create_once, delete_if_exists

TIMEOUT = 15.0  # seconds, for every request
PAGE = 100

quiet = logging.getLogger(
    "telephony.clients.twilio.client.requests"
)  # the client writes ten lines for every request
quiet.setLevel(logging.WARNING)


@dataclass(frozen=True)
class OwnedNumber:
    sid: str
    friendly_name: str
    trunk_sid: str
    voice_application_sid: str


class HttpClient(TwilioHttpClient):  # type: ignore[misc]  # the client is untyped
    """Sends everything to `base_url` where one is given. The environment's proxies do not lead to a
    sandbox.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=TIMEOUT, logger=quiet)
        self.base = urlsplit(base_url) if base_url else None
        if self.session is not None and self.base is not None:
            self.session.trust_env = False

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        if self.base is not None:
            url = urlunsplit(
                urlsplit(url)._replace(scheme=self.base.scheme, netloc=self.base.netloc)
            )
        return super().request(method, url, *args, **kwargs)


class Twilio:
    """The account of the settings. Methods raise TwilioError; deleting what is gone already is
    fine.
    """

    def __init__(self) -> None:
        if not (settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN):
            raise TwilioError(
                "no account is configured; set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
            )
        self.client = Client(
            settings.TWILIO_ACCOUNT_SID,
            settings.TWILIO_AUTH_TOKEN,
            http_client=HttpClient(settings.TWILIO_BASE_URL),
        )

    def account_status(self) -> str:
        """`active`, `suspended` or `closed`."""
        return str(call(self.client.api.v2010.accounts(settings.TWILIO_ACCOUNT_SID).fetch).status)

    # --- numbers ---

    def available(self, country: str, kind: str, limit: int, filters: dict[str, Any]) -> list[Any]:
        """Numbers for sale that can speak. `kind` is local, toll_free or mobile."""
        inventory = getattr(self.client.available_phone_numbers(country), kind)
        try:
            found: list[Any] = call(
                lambda: inventory.list(voice_enabled=True, limit=limit, **filters)
            )
        except TwilioError as error:
            if error.missing:
                kind_in_words = kind.replace("_", "-")
                raise TwilioError(f"no {kind_in_words} numbers are sold in {country}") from error
            raise
        return found

    def owned(self, phone_number: str) -> OwnedNumber | None:
        found = call(
            lambda: self.client.incoming_phone_numbers.list(phone_number=phone_number, limit=PAGE)
        )
        row = next((number for number in found if number.phone_number == phone_number), None)
        if row is None:
            return None
        return OwnedNumber(
            row.sid, row.friendly_name or "", row.trunk_sid or "", row.voice_application_sid or ""
        )

    def all_numbers(self) -> list[Any]:
        found: list[Any] = call(lambda: self.client.incoming_phone_numbers.list(page_size=PAGE))
        return found

    def buy(self, phone_number: str, tag: str) -> OwnedNumber:
        """Costs money. After a lost answer it is looked for, never bought a second time."""

        def bought() -> OwnedNumber | None:
            number = self.owned(phone_number)
            return number if number is not None and number.friendly_name == tag else None

        def buy() -> OwnedNumber:
            row = call(
                lambda: self.client.incoming_phone_numbers.create(
                    phone_number=phone_number, friendly_name=tag
                )
            )
            return OwnedNumber(row.sid, tag, row.trunk_sid or "", "")

        return create_once(buy, bought)

    def release(self, sid: str) -> None:
        delete_if_exists(self.client.incoming_phone_numbers(sid).delete)

    def restore_application(self, number_sid: str, application_sid: str) -> None:
        """Connecting a number to a trunk makes Twilio forget the application that took its calls."""
        call(
            lambda: self.client.incoming_phone_numbers(number_sid).update(
                voice_application_sid=application_sid
            )
        )

    # --- trunks ---

    def trunks(self, tag: str) -> list[str]:
        return [str(row.sid) for row in self.all_trunks() if row.friendly_name == tag]

    def all_trunks(self) -> list[Any]:
        found: list[Any] = call(lambda: self.client.trunking.v1.trunks.list(page_size=PAGE))
        return found

    def create_trunk(self, tag: str, domain: str) -> str:
        def create() -> str:
            row = call(
                lambda: self.client.trunking.v1.trunks.create(
                    friendly_name=tag, domain_name=domain, transfer_mode="enable-all"
                )
            )
            return str(row.sid)

        return create_once(create, lambda: next(iter(self.trunks(tag)), None))

    def delete_trunk(self, trunk: str) -> None:
        delete_if_exists(self.client.trunking.v1.trunks(trunk).delete)

    def originations(self, trunk: str) -> list[Any]:
        return self._of_trunk(
            lambda: self.client.trunking.v1.trunks(trunk).origination_urls.list(page_size=PAGE)
        )

    def originate_to(self, trunk: str, sip_url: str, tag: str) -> str:
        """Calls to the trunk's numbers go to this SIP URL."""

        def create() -> str:
            urls = self.client.trunking.v1.trunks(trunk).origination_urls
            row = call(
                lambda: urls.create(
                    weight=1, priority=1, enabled=True, friendly_name=tag, sip_url=sip_url
                )
            )
            return str(row.sid)

        return create_once(
            create, lambda: next((str(row.sid) for row in self.originations(trunk)), None)
        )

    def delete_origination(self, trunk: str, sid: str) -> None:
        delete_if_exists(self.client.trunking.v1.trunks(trunk).origination_urls(sid).delete)

    def numbers_of(self, trunk: str) -> list[Any]:
        return self._of_trunk(
            lambda: self.client.trunking.v1.trunks(trunk).phone_numbers.list(page_size=PAGE)
        )

    def attach_number(self, trunk: str, number_sid: str) -> str:
        def attach() -> str:
            numbers = self.client.trunking.v1.trunks(trunk).phone_numbers
            return str(call(lambda: numbers.create(phone_number_sid=number_sid)).sid)

        return create_once(
            attach,
            lambda: next((number_sid for n in self.numbers_of(trunk) if n.sid == number_sid), None),
        )

    def detach_number(self, trunk: str, number_sid: str) -> None:
        delete_if_exists(self.client.trunking.v1.trunks(trunk).phone_numbers(number_sid).delete)

    # --- credentials with which LiveKit may call through a trunk ---

    def credential_lists(self, tag: str) -> list[str]:
        return [str(row.sid) for row in self.all_credential_lists() if row.friendly_name == tag]

    def all_credential_lists(self) -> list[Any]:
        found: list[Any] = call(lambda: self.client.sip.credential_lists.list(page_size=PAGE))
        return found

    def create_credential_list(self, tag: str) -> str:
        def create() -> str:
            return str(call(lambda: self.client.sip.credential_lists.create(friendly_name=tag)).sid)

        return create_once(create, lambda: next(iter(self.credential_lists(tag)), None))

    def create_credential(self, credential_list: str, username: str, password: str) -> str:
        credentials = self.client.sip.credential_lists(credential_list).credentials

        def create() -> str:
            return str(call(lambda: credentials.create(username=username, password=password)).sid)

        def created() -> str | None:
            rows = call(lambda: credentials.list(page_size=PAGE))
            return next((str(row.sid) for row in rows if row.username == username), None)

        return create_once(create, created)

    def delete_credential_list(self, sid: str) -> None:
        """Its credentials go with it."""
        delete_if_exists(self.client.sip.credential_lists(sid).delete)

    def lists_of(self, trunk: str) -> list[Any]:
        return self._of_trunk(
            lambda: self.client.trunking.v1.trunks(trunk).credentials_lists.list(page_size=PAGE)
        )

    def admit_list(self, trunk: str, credential_list: str) -> str:
        def admit() -> str:
            lists = self.client.trunking.v1.trunks(trunk).credentials_lists
            return str(call(lambda: lists.create(credential_list_sid=credential_list)).sid)

        return create_once(
            admit, lambda: next((str(row.sid) for row in self.lists_of(trunk)), None)
        )

    def expel_list(self, trunk: str, sid: str) -> None:
        delete_if_exists(self.client.trunking.v1.trunks(trunk).credentials_lists(sid).delete)

    def _of_trunk(self, fetch: Callable[[], Iterable[Any]]) -> list[Any]:
        """A part of a trunk; nothing when the trunk is gone."""
        try:
            return list(call(fetch))
        except TwilioError as error:
            if error.missing:
                return []
            raise
