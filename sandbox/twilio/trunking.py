"""Twilio's trunking API, v1: trunks with their origination URLs, credential lists and numbers."""

import re
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.store import Row
from sandbox.twilio.account import (
    CREDENTIAL_LISTS,
    NUMBERS,
    ORIGINATION_URLS,
    TRUNK_CREDENTIAL_LISTS,
    TRUNKS,
    Account,
)
from sandbox.twilio.errors import TwilioError, invalid_parameter, missing_parameter, not_found
from sandbox.twilio.http_api import Response, TwilioApi, created, no_content, ok
from sandbox.twilio.paging import TRUNKING_URL, page_v1
from sandbox.twilio.phone_numbers import attach_to_trunk

TRUNK_PATH = "/v1/Trunks/{trunk}"
TRANSFER_MODES = ("disable-all", "enable-all", "sip-only")


@dataclass
class TrunkingApi:
    account: Account

    def add_to(self, api: TwilioApi) -> None:
        api.add("GET", "/v1/Trunks", self.list_trunks)
        api.add("POST", "/v1/Trunks", self.create_trunk)
        api.add("GET", TRUNK_PATH, self.get_trunk)
        api.add("POST", TRUNK_PATH, self.change_trunk)
        api.add("DELETE", TRUNK_PATH, self.delete_trunk)
        api.add("GET", f"{TRUNK_PATH}/OriginationUrls", self.list_urls)
        api.add("POST", f"{TRUNK_PATH}/OriginationUrls", self.create_url)
        api.add("GET", f"{TRUNK_PATH}/OriginationUrls/{{sid}}", self.get_url)
        api.add("DELETE", f"{TRUNK_PATH}/OriginationUrls/{{sid}}", self.delete_url)
        api.add("GET", f"{TRUNK_PATH}/CredentialLists", self.list_credential_lists)
        api.add("POST", f"{TRUNK_PATH}/CredentialLists", self.add_credential_list)
        api.add("DELETE", f"{TRUNK_PATH}/CredentialLists/{{sid}}", self.remove_credential_list)
        api.add("GET", f"{TRUNK_PATH}/PhoneNumbers", self.list_numbers)
        api.add("POST", f"{TRUNK_PATH}/PhoneNumbers", self.add_number)
        api.add("DELETE", f"{TRUNK_PATH}/PhoneNumbers/{{sid}}", self.remove_number)

    def _trunk_row(self, request: web.Request) -> Row:
        return self.account.get(TRUNKS, request.match_info["trunk"], request.path)

    # --- trunks ---

    async def list_trunks(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(
            page_v1("trunks", self.account.rows(TRUNKS), request.path, request.query, _with_links)
        )

    async def create_trunk(self, request: web.Request, form: dict[str, str]) -> Response:
        values = _trunk_values(form)
        # Before the trunk is created, so that a refusal leaves nothing behind.
        if domain := values.get("domain_name"):
            self.account.reserve_domain(domain)
        row = self.account.add(TRUNKS, "TK", **{**_default_trunk(), **values})
        return created(_with_links(row))

    async def get_trunk(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(_with_links(self._trunk_row(request)))

    async def change_trunk(self, request: web.Request, form: dict[str, str]) -> Response:
        row, values = self._trunk_row(request), _trunk_values(form)
        if (domain := values.get("domain_name")) and domain != row["domain_name"]:
            self.account.reserve_domain(domain)
        return ok(_with_links(self.account.update(TRUNKS, row, **values)))

    async def delete_trunk(self, request: web.Request, form: dict[str, str]) -> Response:
        row = self._trunk_row(request)
        for url in self.account.rows(ORIGINATION_URLS, trunk_sid=row["sid"]):
            self.account.delete(ORIGINATION_URLS, url)
        for link in self.account.rows(TRUNK_CREDENTIAL_LISTS, trunk_sid=row["sid"]):
            self.account.store.delete(
                TRUNK_CREDENTIAL_LISTS, f"{row['sid']}/{link['credential_list_sid']}"
            )
        # Numbers belong to the account and stay; they only leave the trunk.
        for number in self.account.rows(NUMBERS, trunk_sid=row["sid"]):
            attach_to_trunk(self.account, number, {"trunk_sid": ""})
        self.account.delete(TRUNKS, row)
        return no_content()

    # --- origination URLs ---

    async def list_urls(self, request: web.Request, form: dict[str, str]) -> Response:
        rows = self.account.rows(ORIGINATION_URLS, trunk_sid=self._trunk_row(request)["sid"])
        return ok(page_v1("origination_urls", rows, request.path, request.query, _url))

    async def create_url(self, request: web.Request, form: dict[str, str]) -> Response:
        """Raises TwilioError when the trunk is unknown or a parameter missing or invalid."""
        trunk = self._trunk_row(request)
        for name in ("Weight", "Priority", "Enabled", "FriendlyName", "SipUrl"):
            if not form.get(name):
                raise missing_parameter(name)
        if not form["SipUrl"].startswith("sip:"):
            raise invalid_parameter("SipUrl", "must be a SIP URI with the scheme sip")
        row = self.account.add(
            ORIGINATION_URLS,
            "OU",
            trunk_sid=trunk["sid"],
            weight=_integer(form, "Weight", 1, 65535),
            priority=_integer(form, "Priority", 0, 65535),
            enabled=form["Enabled"].lower() == "true",
            friendly_name=form["FriendlyName"],
            sip_url=form["SipUrl"],
        )
        return created(_url(row))

    def _url_row(self, request: web.Request) -> Row:
        sid = self._trunk_row(request)["sid"]
        return self.account.get(
            ORIGINATION_URLS, request.match_info["sid"], request.path, trunk_sid=sid
        )

    async def get_url(self, request: web.Request, form: dict[str, str]) -> Response:
        return ok(_url(self._url_row(request)))

    async def delete_url(self, request: web.Request, form: dict[str, str]) -> Response:
        self.account.delete(ORIGINATION_URLS, self._url_row(request))
        return no_content()

    # --- credential lists on a trunk ---

    async def list_credential_lists(self, request: web.Request, form: dict[str, str]) -> Response:
        rows = self.account.rows(TRUNK_CREDENTIAL_LISTS, trunk_sid=self._trunk_row(request)["sid"])
        return ok(page_v1("credential_lists", rows, request.path, request.query, _link))

    async def add_credential_list(self, request: web.Request, form: dict[str, str]) -> Response:
        """Raises TwilioError when the list is missing, unknown or already on the trunk."""
        trunk, sid = self._trunk_row(request), form.get("CredentialListSid")
        if not sid:
            raise missing_parameter("CredentialListSid")
        listed = self.account.get(CREDENTIAL_LISTS, sid, f"/SIP/CredentialLists/{sid}")
        key = f"{trunk['sid']}/{sid}"
        if key in self.account.store.table(TRUNK_CREDENTIAL_LISTS):
            raise TwilioError(400, 21230, "Credential list is already associated with this trunk")
        row = {name: listed[name] for name in ("sid", "account_sid", "friendly_name")}
        row |= {
            # The v1 API writes dates in another format than the list itself has.
            "date_created": trunk["date_created"],
            "date_updated": trunk["date_updated"],
            "credential_list_sid": sid,
            "trunk_sid": trunk["sid"],
        }
        self.account.store.put(TRUNK_CREDENTIAL_LISTS, key, row)
        self.account.update(
            TRUNKS, trunk, auth_type="CREDENTIAL_LIST", auth_type_set=["CREDENTIAL_LIST"]
        )
        return created(_link(row))

    async def remove_credential_list(self, request: web.Request, form: dict[str, str]) -> Response:
        """Raises TwilioError when the list is not on the trunk."""
        key = f"{self._trunk_row(request)['sid']}/{request.match_info['sid']}"
        if key not in self.account.store.table(TRUNK_CREDENTIAL_LISTS):
            raise not_found(request.path)
        self.account.store.delete(TRUNK_CREDENTIAL_LISTS, key)
        return no_content()

    # --- numbers on a trunk ---

    async def list_numbers(self, request: web.Request, form: dict[str, str]) -> Response:
        rows = self.account.rows(NUMBERS, trunk_sid=self._trunk_row(request)["sid"])
        return ok(page_v1("phone_numbers", rows, request.path, request.query, _number))

    async def add_number(self, request: web.Request, form: dict[str, str]) -> Response:
        """Raises TwilioError when the number is missing or unknown."""
        trunk, sid = self._trunk_row(request), form.get("PhoneNumberSid")
        if not sid:
            raise missing_parameter("PhoneNumberSid")
        row = self.account.get(NUMBERS, sid, f"/IncomingPhoneNumbers/{sid}")
        return created(_number(attach_to_trunk(self.account, row, {"trunk_sid": trunk["sid"]})))

    async def remove_number(self, request: web.Request, form: dict[str, str]) -> Response:
        sid = self._trunk_row(request)["sid"]
        row = self.account.get(NUMBERS, request.match_info["sid"], request.path, trunk_sid=sid)
        attach_to_trunk(self.account, row, {"trunk_sid": ""})
        return no_content()


def _default_trunk() -> dict[str, Any]:
    return {
        "domain_name": None,
        "friendly_name": None,
        "secure": False,
        "transfer_mode": "disable-all",
        "transfer_caller_id": "from-transferee",
        "cnam_lookup_enabled": False,
        "symmetric_rtp_enabled": False,
        "disaster_recovery_url": None,
        "disaster_recovery_method": None,
        "recording": {"mode": "do-not-record", "trim": "do-not-trim"},
        "auth_type": "",
        "auth_type_set": [],
    }


def _trunk_values(form: dict[str, str]) -> dict[str, Any]:
    """Return the fields that a POST sets. Raises TwilioError when one is invalid."""
    values: dict[str, Any] = {}
    if (domain := form.get("DomainName")) is not None:
        if not re.fullmatch(r"[A-Za-z0-9-]+\.pstn\.twilio\.com", domain):
            raise TwilioError(
                400, 21232, "Domain name is invalid: it must end with pstn.twilio.com"
            )
        values["domain_name"] = domain
    if (mode := form.get("TransferMode")) is not None:
        if mode not in TRANSFER_MODES:
            raise invalid_parameter("TransferMode", f"must be one of {', '.join(TRANSFER_MODES)}")
        values["transfer_mode"] = mode
    if (name := form.get("FriendlyName")) is not None:
        values["friendly_name"] = name
    for parameter, key in (("Secure", "secure"), ("CnamLookupEnabled", "cnam_lookup_enabled")):
        if parameter in form:
            values[key] = form[parameter].lower() == "true"
    return values


def _integer(form: dict[str, str], name: str, lowest: int, highest: int) -> int:
    if not form[name].isdigit() or not lowest <= int(form[name]) <= highest:
        raise invalid_parameter(name, f"must be a whole number from {lowest} to {highest}")
    return int(form[name])


def _with_links(row: Row) -> Row:
    url = f"{TRUNKING_URL}/v1/Trunks/{row['sid']}"
    parts = {
        "origination_urls": "OriginationUrls",
        "credential_lists": "CredentialLists",
        "phone_numbers": "PhoneNumbers",
    }
    return {**row, "url": url, "links": {key: f"{url}/{part}" for key, part in parts.items()}}


def _url(row: Row) -> Row:
    return {
        **row,
        "url": f"{TRUNKING_URL}/v1/Trunks/{row['trunk_sid']}/OriginationUrls/{row['sid']}",
    }


def _link(row: Row) -> Row:
    visible = {key: value for key, value in row.items() if key != "credential_list_sid"}
    return {
        **visible,
        "url": f"{TRUNKING_URL}/v1/Trunks/{row['trunk_sid']}/CredentialLists/{row['sid']}",
    }


def _number(row: Row) -> Row:
    return {
        **row,
        "url": f"{TRUNKING_URL}/v1/Trunks/{row['trunk_sid']}/PhoneNumbers/{row['sid']}",
        "links": {},
    }
