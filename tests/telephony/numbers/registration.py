"""Bodies of registrations and of validation errors."""

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


def invalid(loc: list[str], msg: str, kind: str) -> dict[str, Any]:
    return {"loc": ["body", *loc], "msg": msg, "type": kind}
