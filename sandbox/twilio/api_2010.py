"""Twilio's 2010 API: the account, phone numbers, SIP credential lists."""

import re
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.store import Row
from sandbox.twilio.account import (
    CREDENTIAL_LISTS,
    CREDENTIALS,
    NUMBERS,
    TRUNK_CREDENTIAL_LISTS,
    Account,
)
from sandbox.twilio.errors import TwilioError, invalid_parameter, missing_parameter
from sandbox.twilio.http_api import Response, TwilioApi, created, no_content, ok
from sandbox.twilio.paging import page_2010
from sandbox.twilio.phone_numbers import PhoneNumbers

BASE = "/2010-04-01/Accounts/{account}"
LISTS = f"{BASE}/SIP/CredentialLists"


@dataclass
class Api2010:
    account: Account
    numbers: PhoneNumbers

    def add_to(self, api: TwilioApi) -> None:
        api.add("GET", f"{BASE}.json", self.fetch_account)
        api.add("GET", f"{BASE}/Balance.json", self.balance)
        api.add("GET", f"{BASE}/AvailablePhoneNumbers/{{country}}/{{kind}}.json", self.search)
        api.add("GET", f"{BASE}/IncomingPhoneNumbers.json", self.list_numbers)
        api.add("POST", f"{BASE}/IncomingPhoneNumbers.json", self.buy)
        api.add("GET", f"{BASE}/IncomingPhoneNumbers/{{sid}}.json", self.get_number)
        api.add("POST", f"{BASE}/IncomingPhoneNumbers/{{sid}}.json", self.change_number)
        api.add("DELETE", f"{BASE}/IncomingPhoneNumbers/{{sid}}.json", self.release)
        api.add("GET", f"{LISTS}.json", self.list_lists)
        api.add("POST", f"{LISTS}.json", self.create_list)
        api.add("GET", f"{LISTS}/{{sid}}.json", self.get_list)
        api.add("DELETE", f"{LISTS}/{{sid}}.json", self.delete_list)
        api.add("GET", f"{LISTS}/{{list}}/Credentials.json", self.list_credentials)
        api.add("POST", f"{LISTS}/{{list}}/Credentials.json", self.create_credential)
        api.add("GET", f"{LISTS}/{{list}}/Credentials/{{sid}}.json", self.get_credential)
        api.add("DELETE", f"{LISTS}/{{list}}/Credentials/{{sid}}.json", self.delete_credential)

    async def fetch_account(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(
            {
                "sid": self.account.sid,
                "friendly_name": "Sandbox",
                "status": "active",
                "type": "Full",
                "owner_account_sid": self.account.sid,
                "uri": request.path,
                "subresource_uris": {},
            }
        )

    async def balance(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(
            {
                "account_sid": self.account.sid,
                "balance": f"{self.account.balance:.2f}",
                "currency": "USD",
            }
        )

    # --- numbers ---

    async def search(self, request: web.Request, form: dict[str, str]) -> Response:
        where = request.match_info
        found = self.numbers.search(where["country"], where["kind"], request.query, request.path)
        return ok({"available_phone_numbers": found, "uri": request.path_qs})

    async def list_numbers(self, request: web.Request, form: dict[str, str]) -> Response:
        rows = self.account.rows(NUMBERS)
        if number := request.query.get("PhoneNumber"):
            # Twilio matches parts of a number too.
            rows = [row for row in rows if number.lstrip("+") in row["phone_number"]]
        if name := request.query.get("FriendlyName"):
            rows = [row for row in rows if row["friendly_name"] == name]
        return ok(
            page_2010("incoming_phone_numbers", rows, request.path, request.query, self._number)
        )

    async def buy(self, request: web.Request, form: dict[str, str]) -> Response:
        return created(self._number(self.numbers.buy(form)))

    async def get_number(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(self._number(self._get(NUMBERS, request)))

    async def change_number(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(self._number(self.numbers.update(self._get(NUMBERS, request), form)))

    async def release(self, request: web.Request, form: dict[str, str]) -> Response:
        self.account.delete(NUMBERS, self._get(NUMBERS, request))
        return no_content()

    def _number(self, row: Row) -> Row:
        path = f"IncomingPhoneNumbers/{row['sid']}.json"
        return {**row, "uri": f"/2010-04-01/Accounts/{self.account.sid}/{path}"}

    def _get(self, table: str, request: web.Request, **match: Any) -> Row:
        return self.account.get(table, request.match_info["sid"], request.path, **match)

    # --- SIP credential lists ---

    async def list_lists(self, request: web.Request, form: dict[str, str]) -> Response:
        rows = self.account.rows(CREDENTIAL_LISTS)
        return ok(page_2010("credential_lists", rows, request.path, request.query, self._list))

    async def create_list(self, request: web.Request, form: dict[str, str]) -> Response:
        """Raises TwilioError without a name, or with one that is too long."""
        name = form.get("FriendlyName")
        if not name:
            raise missing_parameter("FriendlyName")
        if len(name) > 64:
            raise invalid_parameter("FriendlyName", "at most 64 characters")
        return created(self._list(self.account.add(CREDENTIAL_LISTS, "CL", friendly_name=name)))

    async def get_list(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(self._list(self._get(CREDENTIAL_LISTS, request)))

    async def delete_list(self, request: web.Request, form: dict[str, str]) -> Response:
        row = self._get(CREDENTIAL_LISTS, request)
        for credential in self.account.rows(CREDENTIALS, credential_list_sid=row["sid"]):
            self.account.delete(CREDENTIALS, credential)
        # A deleted list is removed from the trunks that use it.
        for link in self.account.rows(TRUNK_CREDENTIAL_LISTS, credential_list_sid=row["sid"]):
            self.account.store.delete(TRUNK_CREDENTIAL_LISTS, f"{link['trunk_sid']}/{row['sid']}")
        self.account.delete(CREDENTIAL_LISTS, row)
        return no_content()

    def _list(self, row: Row) -> Row:
        uri = f"/2010-04-01/Accounts/{self.account.sid}/SIP/CredentialLists/{row['sid']}"
        return {
            **row,
            "uri": f"{uri}.json",
            "subresource_uris": {"credentials": f"{uri}/Credentials.json"},
        }

    async def list_credentials(self, request: web.Request, form: dict[str, str]) -> Response:
        rows = self.account.rows(CREDENTIALS, credential_list_sid=self._list_sid(request))
        return ok(page_2010("credentials", rows, request.path, request.query, self._credential))

    async def create_credential(self, request: web.Request, form: dict[str, str]) -> Response:
        """Raises TwilioError when the credential is invalid or its user name is in use."""
        list_sid = self._list_sid(request)
        username, password = form.get("Username"), form.get("Password")
        if not username:
            raise missing_parameter("Username")
        if not password:
            raise missing_parameter("Password")
        _check_credential(username, password)
        if self.account.rows(CREDENTIALS, credential_list_sid=list_sid, username=username):
            raise TwilioError(400, 21236, "Username already exists in this credential list")
        return created(
            self._credential(
                self.account.add(CREDENTIALS, "CR", credential_list_sid=list_sid, username=username)
            )
        )

    async def get_credential(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(
            self._credential(
                self._get(CREDENTIALS, request, credential_list_sid=self._list_sid(request))
            )
        )

    async def delete_credential(self, request: web.Request, form: dict[str, str]) -> Response:
        row = self._get(CREDENTIALS, request, credential_list_sid=self._list_sid(request))
        self.account.delete(CREDENTIALS, row)
        return no_content()

    def _list_sid(self, request: web.Request) -> str:
        row = self.account.get(CREDENTIAL_LISTS, request.match_info["list"], request.path)
        return str(row["sid"])

    def _credential(self, row: Row) -> Row:
        path = f"CredentialLists/{row['credential_list_sid']}/Credentials/{row['sid']}.json"
        return {**row, "uri": f"/2010-04-01/Accounts/{self.account.sid}/SIP/{path}"}


def _check_credential(username: str, password: str) -> None:
    """Raises TwilioError when a SIP credential breaks Twilio's rules. Passwords are not stored."""
    if len(username) > 32:
        raise invalid_parameter("Username", "at most 32 characters")
    if len(password) < 12 or not all(
        re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]")
    ):
        raise invalid_parameter(
            "Password", "at least 12 characters, with upper case, lower case and a digit"
        )
