"""API keys: `vo_`, 8 characters that find the row, `_`, 32 secret characters, 6 of checksum.

The checksum (base62 of CRC-32, as in GitHub's tokens) rejects typos and guesses without a query,
and lets secret scanners recognise a leaked key offline. Only the SHA-256 of a key is stored; its
190 random bits need no salt.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY_PATTERN = re.compile(r"(vo_[0-9A-Za-z]{8})_[0-9A-Za-z]{32}([0-9A-Za-z]{6})")


@dataclass(frozen=True)
class NewKey:
    key: str
    prefix: str
    key_hash: str


def generate_key() -> NewKey:
    """Return a new random key with the prefix and the hash to store for it."""
    prefix = f"vo_{random_text(8)}"
    body = f"{prefix}_{random_text(32)}"
    key = body + checksum(body)
    return NewKey(key=key, prefix=prefix, key_hash=digest(key))


def prefix_of(key: str) -> str | None:
    """Return the public part that finds the key's row; None when the key is not well formed."""
    # Both checks need no query: most guesses end here.
    match = KEY_PATTERN.fullmatch(key)
    if match is None or not hmac.compare_digest(checksum(key[:-6]), match[2]):
        return None
    return match[1]


def matches_hash(key: str, key_hash: str) -> bool:
    """Whether the stored hash is this key's. Takes the same time for every key."""
    return hmac.compare_digest(digest(key), key_hash)


def digest(secret: str) -> str:
    """Return what is stored of a random secret: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def checksum(body: str) -> str:
    """Return the CRC-32 of the text in six base62 characters."""
    number = zlib.crc32(body.encode())
    digits = ""
    while number:
        number, remainder = divmod(number, 62)
        digits = BASE62[remainder] + digits
    return digits.rjust(6, "0")


def random_text(length: int) -> str:
    """Return random base62 characters, of 5.95 bits each."""
    return "".join(secrets.choice(BASE62) for _ in range(length))
