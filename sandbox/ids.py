"""Ids as LiveKit and Twilio make them."""

import random
import secrets

# livekit/protocol utils/guid: base57, without characters that are easily confused.
BASE57 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_livekit_id(prefix: str) -> str:
    """Return a new id such as `PA_` and twelve characters."""
    return prefix + random_name(12)


def random_name(length: int) -> str:
    return "".join(random.choices(BASE57, k=length))  # noqa: S311  # a name, not a secret


def new_twilio_sid(prefix: str) -> str:
    """Return a new id such as `PN` and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)
