"""Secrets at rest: AES-256-GCM, the key's id in front, and the place they belong to authenticated
with them.

A token reads `<key id>.<urlsafe base64 of nonce and ciphertext>`. `context` names the place, as
`context_of("telephony_phonenumber", "sip_password", pk)`: a ciphertext copied into another row does
not decrypt.
"""

import base64
import binascii
import hashlib
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

NONCE_BYTES = 12  # NIST SP 800-38D: the only size GCM takes without hashing it first
KEY_BYTES = 32


class DecryptError(Exception):
    """The token is damaged, belongs to another place, or its key is no longer among
    `FIELD_ENCRYPTION_KEYS`.
    """


def context_of(table: str, column: str, pk: object) -> str:
    return f"{table}.{column}.{pk}"


def encrypt(text: str, context: str) -> str:
    """Encrypt with the newest key. The same text gives another token every time."""
    key_id, cipher = next(iter(_ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS)).items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + cipher.encrypt(nonce, text.encode(), context.encode())
    return f"{key_id}.{base64.urlsafe_b64encode(sealed).decode()}"


def decrypt(token: str, context: str) -> str:
    """The text behind `token`. Raises DecryptError."""
    key_id, _, payload = token.partition(".")
    cipher = _ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS)).get(key_id)
    if cipher is None:
        raise DecryptError(f"No key {key_id!r} among FIELD_ENCRYPTION_KEYS")
    try:
        sealed = base64.urlsafe_b64decode(payload)
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode()).decode()
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise DecryptError("Damaged, or encrypted for another place") from error


def needs_rotation(token: str) -> bool:
    """Whether another key than the newest encrypted it."""
    return token.partition(".")[0] != next(iter(_ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS))))


@lru_cache(maxsize=8)
def _ciphers(keys: tuple[str, ...]) -> dict[str, AESGCM]:
    """Key id to cipher, newest first. Raises ImproperlyConfigured for a key that is none."""
    ciphers: dict[str, AESGCM] = {}
    for number, text in enumerate(keys, start=1):
        try:
            key = base64.urlsafe_b64decode(text)
        except (binascii.Error, ValueError) as error:
            raise ImproperlyConfigured(
                f"FIELD_ENCRYPTION_KEYS: key {number} is not urlsafe base64"
            ) from error
        if len(key) != KEY_BYTES:
            raise ImproperlyConfigured(
                f"FIELD_ENCRYPTION_KEYS: key {number} has {len(key)} bytes, not {KEY_BYTES}"
            )
        ciphers[hashlib.sha256(key).digest()[:4].hex()] = AESGCM(key)
    if not ciphers:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS is empty")
    return ciphers
