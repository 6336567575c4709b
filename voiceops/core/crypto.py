"""Encryption of secrets in the database: AES-256-GCM.

A token is `<key id>.<urlsafe base64 of nonce and ciphertext>`. Its `context`, for example
`context_of("telephony_phonenumber", "sip_password", pk)`, is authenticated with it, so that a
ciphertext that is copied to another row does not decrypt.
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

NONCE_BYTES = 12  # the only size that GCM uses without hashing it first (NIST SP 800-38D)
AES_KEY_BYTES = 32


class DecryptError(Exception):
    """The token is damaged, has another context, or its key is not in FIELD_ENCRYPTION_KEYS."""


def context_of(table: str, column: str, pk: object) -> str:
    """Return the context of a column of one row."""
    return f"{table}.{column}.{pk}"


def encrypt(text: str, context: str) -> str:
    """Encrypt with the newest key. Each call returns a different token."""
    key_id, cipher = next(iter(_ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS)).items()))
    # Random nonces are safe for 2^32 tokens of one key (NIST SP 800-38D, 8.3).
    nonce = os.urandom(NONCE_BYTES)
    payload = nonce + cipher.encrypt(nonce, text.encode(), context.encode())
    return f"{key_id}.{base64.urlsafe_b64encode(payload).decode()}"


def decrypt(token: str, context: str) -> str:
    """Return the text that `encrypt` was given. Raises DecryptError."""
    key_id, _, encoded = token.partition(".")
    cipher = _ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS)).get(key_id)
    if cipher is None:
        raise DecryptError(f"No key {key_id!r} among FIELD_ENCRYPTION_KEYS")
    try:
        payload = base64.urlsafe_b64decode(encoded)
        nonce, ciphertext = payload[:NONCE_BYTES], payload[NONCE_BYTES:]
        return cipher.decrypt(nonce, ciphertext, context.encode()).decode()
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise DecryptError("Damaged, or encrypted for another context") from error


def newest_key_id() -> str:
    """Return the id of the key that `encrypt` uses, and with which its tokens begin.

    Raises ImproperlyConfigured when FIELD_ENCRYPTION_KEYS holds no valid key.
    """
    return next(iter(_ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS))))


@lru_cache(maxsize=8)
def _ciphers(keys: tuple[str, ...]) -> dict[str, AESGCM]:
    """Return ciphers by key id, newest first. Raises ImproperlyConfigured for an invalid key."""
    ciphers: dict[str, AESGCM] = {}
    for number, text in enumerate(keys, start=1):
        try:
            key = base64.urlsafe_b64decode(text)
        except (binascii.Error, ValueError) as error:
            raise ImproperlyConfigured(
                f"FIELD_ENCRYPTION_KEYS: key {number} is not urlsafe base64"
            ) from error
        if len(key) != AES_KEY_BYTES:
            raise ImproperlyConfigured(
                f"FIELD_ENCRYPTION_KEYS: key {number} has {len(key)} bytes, not {AES_KEY_BYTES}"
            )
        # Derived from the key itself, so keys may be reordered and removed without renaming tokens.
        ciphers[hashlib.sha256(key).digest()[:4].hex()] = AESGCM(key)
    if not ciphers:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS is empty")
    return ciphers
