"""The body of a registration, and the errors it may cause."""

from typing import Any

NUMBER = "+12025550100"


SIP: dict[str, Any] = {
    "address": "sip.carrier.example:5061",
    "transport": "tls",
    "auth_username": "voice",
    "auth_password": "s3cret of the trunk",
}


def body(**fields: Any) -> dict[str, Any]:
    return {"phone_number": NUMBER, "provider": "sip", "sip": SIP, **fields}


def mistake(loc: list[str], msg: str, kind: str) -> dict[str, Any]:
    return {"loc": ["body", *loc], "msg": msg, "type": kind}
