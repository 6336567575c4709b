"""LiveKit's and Twilio's ids."""

import secrets

# livekit/protocol utils/guid: base57, without the characters people confuse.
BASE57 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def livekit_id(prefix: str) -> str:
    """`PA_` and twelve characters."""
    return prefix + random_name(12)


def random_name(length: int) -> str:
    number = int.from_bytes(secrets.token_bytes(length), "big")
    letters = []
    for _ in range(length):
        number, digit = divmod(number, 57)
        letters.append(BASE57[digit])
    return "".join(letters)


def twilio_sid(prefix: str) -> str:
    """`PN` and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)
