"""`/_sandbox/twilio`: the account's balance, the numbers for sale, and faults."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from sandbox.control import bad_request, json_response, parse_or_bad_request, read_json
from sandbox.twilio.account import (
    CREDENTIAL_LISTS,
    CREDENTIALS,
    NUMBERS,
    ORIGINATION_URLS,
    TRUNK_CREDENTIAL_LISTS,
    TRUNKS,
    Account,
)
from sandbox.twilio.http_api import TwilioApi, parse_fault
from sandbox.twilio.phone_numbers import PhoneNumbers

TABLES = {
    "numbers": NUMBERS,
    "trunks": TRUNKS,
    "origination_urls": ORIGINATION_URLS,
    "credential_lists": CREDENTIAL_LISTS,
    "credentials": CREDENTIALS,
    "trunk_credential_lists": TRUNK_CREDENTIAL_LISTS,
}


@dataclass
class TwilioControl:
    account: Account
    numbers: PhoneNumbers
    api: TwilioApi

    def routes(self) -> Iterable[web.RouteDef]:
        return [web.get("/_sandbox/twilio", self.get), web.put("/_sandbox/twilio", self.put)]

    async def get(self, request: web.Request) -> web.Response:
        return json_response(self._state())

    async def put(self, request: web.Request) -> web.Response:
        """Set any of `balance` (USD), `inventory` (numbers) and `faults`; the others stay.

        Raises HTTPBadRequest when the body is invalid; nothing changes then.
        """
        body = await read_json(request)
        if not isinstance(body, dict) or set(body) - {"balance", "inventory", "faults"}:
            raise bad_request("balance, inventory and faults are what can be set")
        parse_or_bad_request(self._apply, body)
        return json_response(self._state())

    def _apply(self, body: dict[str, Any]) -> None:
        """Apply the whole body. Raises ValueError, without any change, when a part is invalid."""
        balance, entries = body.get("balance", 0), body.get("inventory", [])
        if isinstance(balance, bool) or not isinstance(balance, int | float):
            raise ValueError("balance must be a number")  # noqa: TRY004  # all are ValueErrors
        if not isinstance(entries, list):
            raise ValueError("inventory must be a list")  # noqa: TRY004
        if not isinstance(body.get("faults", []), list):
            raise ValueError("faults must be a list")  # noqa: TRY004
        # Everything is parsed before anything is set.
        faults = [parse_fault(fault) for fault in body.get("faults", [])]
        if "inventory" in body:
            self.numbers.set_inventory(entries)
        if "balance" in body:
            self.account.balance = float(balance)
        if "faults" in body:
            self.api.faults = faults

    def _state(self) -> dict[str, Any]:
        inventory = self.numbers.inventory
        return {
            "balance": self.account.balance,
            "inventory": None if inventory is None else [offer.phone_number for offer in inventory],
            "faults": [asdict(fault) for fault in self.api.faults],
            **{name: self.account.rows(table) for name, table in TABLES.items()},
        }
