"""API keys: `vo_` + 8 characters that find the row + `_` + 32 secret ones + 6 of checksum.

The checksum (base62 of CRC-32, as GitHub's tokens have it) lets a typo or a guess be refused
without a query, and lets secret scanners recognise a leaked key offline. Only SHA-256 of the key is
stored: 190 random bits need no salt.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
FORM = re.compile(r"(vo_[0-9A-Za-z]{8})_[0-9A-Za-z]{32}([0-9A-Za-z]{6})")


@dataclass(frozen=True)
class NewKey:
    key: str
    prefix: str
    key_hash: str


def generate_key() -> NewKey:
    prefix = f"vo_{random_text(8)}"
    body = f"{prefix}_{random_text(32)}"
    key = body + checksum(body)
    return NewKey(key=key, prefix=prefix, key_hash=digest(key))


def prefix_of(key: str) -> str | None:
    """The public part of a well-formed key, by which its row is found; None when the key cannot be
    one of ours.
    """
    match = FORM.fullmatch(key)
    if match is None or not hmac.compare_digest(checksum(key[:-6]), match[2]):
        return None
    return match[1]


def is_same(key: str, key_hash: str) -> bool:
    return hmac.compare_digest(digest(key), key_hash)


def digest(secret: str) -> str:
    """What is stored of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = BASE62[rest] + digits
    return digits.rjust(6, "0")


def random_text(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))
