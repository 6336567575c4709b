"""The token with which a voice agent reports on one call. Nothing of it is stored."""

from uuid import UUID

from django.core import signing

# Signed instead of stored: every live call posts every two seconds, and a signature needs no query.
# The salt keeps signatures that we make for other purposes from opening a call.
REPORT_TOKEN_SIGNER = signing.Signer(salt="telephony.report")


def mint(call_id: UUID) -> str:
    """Return the token for this call."""
    return REPORT_TOKEN_SIGNER.signature(str(call_id))


def verify(token: str, call_id: UUID) -> bool:
    """Return whether the token was minted for this call; compares in constant time."""
    try:
        REPORT_TOKEN_SIGNER.unsign(f"{call_id}{REPORT_TOKEN_SIGNER.sep}{token}")
    except signing.BadSignature:
        return False
    return True
