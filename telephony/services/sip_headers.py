"""The SIP headers of a number: values that may be credentials are stored encrypted.

A carrier's account token is often a header. The value of a header whose name sounds like a
credential is kept like the trunk's password; the others stay readable, for the admin and the API.
"""

import json
import re
from collections.abc import Mapping

from agents.secrets import MASK
from telephony.models import PhoneNumber
from voiceops.core import crypto

CREDENTIAL_NAME = re.compile(
    r"auth|cred|key|pass|passwd|pwd|secret|session|sign|token", re.IGNORECASE
)
SEALED_HEADERS_COLUMN = "sealed_headers"


def is_credential(name: str) -> bool:
    """Return whether the name of a header sounds like that of a credential."""
    return CREDENTIAL_NAME.search(name) is not None


def store_headers(number: PhoneNumber, headers: Mapping[str, str]) -> None:
    """Set both columns of an instance; the caller saves them."""
    secret = {name: value for name, value in headers.items() if is_credential(name)}
    number.headers = {name: value for name, value in headers.items() if name not in secret}
    context = _encryption_context(number)
    number.sealed_headers = crypto.encrypt(json.dumps(secret), context) if secret else ""


def load_headers(number: PhoneNumber) -> dict[str, str]:
    """Return all headers in clear text, for LiveKit only. Raises crypto.DecryptError."""
    sealed = number.sealed_headers
    secret = json.loads(crypto.decrypt(sealed, _encryption_context(number))) if sealed else {}
    return {**number.headers, **secret}


def mask_headers(number: PhoneNumber) -> dict[str, str]:
    """Return the headers as they may be seen: credentials as a mask."""
    try:
        headers = load_headers(number)
    except crypto.DecryptError:
        # The key is gone: what can be read is shown, and `doctor` names the column.
        headers = dict(number.headers)
    return {name: MASK if is_credential(name) else value for name, value in headers.items()}


def restore_masked(number: PhoneNumber, given: Mapping[str, str]) -> dict[str, str]:
    """Return the given headers, with the stored value wherever a mask was sent back.

    Raises LookupError with the header's name when nothing is stored behind a mask.
    """
    if MASK not in given.values():
        return dict(given)
    stored = load_headers(number)
    if unknown := [name for name, value in given.items() if value == MASK and name not in stored]:
        raise LookupError(unknown[0])
    return {name: stored[name] if value == MASK else value for name, value in given.items()}


def _encryption_context(number: PhoneNumber) -> str:
    return crypto.context_of(number._meta.db_table, SEALED_HEADERS_COLUMN, number.pk)
