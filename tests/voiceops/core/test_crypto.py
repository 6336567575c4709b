import base64

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from voiceops.core import crypto

OLD, NEW = (base64.urlsafe_b64encode(text * 32).decode() for text in (b"o", b"n"))
PLACE = crypto.context_of("telephony_phonenumber", "sip_password", 1)


def test_decrypting_returns_the_text() -> None:
    token = crypto.encrypt("pässword", PLACE)

    assert crypto.decrypt(token, PLACE) == "pässword"
    assert crypto.encrypt("pässword", PLACE) != token


def test_a_token_with_another_context_does_not_decrypt() -> None:
    token = crypto.encrypt("secret", PLACE)

    with pytest.raises(crypto.DecryptError):
        crypto.decrypt(token, crypto.context_of("telephony_phonenumber", "sip_password", 2))


@pytest.mark.parametrize(
    "damage", [lambda t: t[:-4] + "AAAA", lambda t: "", lambda t: t[:12], lambda t: f"ffffffff.{t}"]
)
def test_a_damaged_token_does_not_decrypt(damage: object) -> None:
    token = crypto.encrypt("secret", PLACE)

    with pytest.raises(crypto.DecryptError):
        crypto.decrypt(damage(token), PLACE)  # type: ignore[operator]  # the functions above


def test_keys_rotate_newest_first(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    token = crypto.encrypt("secret", PLACE)
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]

    assert crypto.decrypt(token, PLACE) == "secret"
    assert not token.startswith(f"{crypto.newest_key_id()}.")
    assert crypto.encrypt("secret", PLACE).startswith(f"{crypto.newest_key_id()}.")
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(crypto.DecryptError, match="No key"):
        crypto.decrypt(token, PLACE)


@pytest.mark.parametrize("keys", [["c2hvcnQ="], ["not base64!"], []])
def test_an_invalid_key_is_named_without_its_value(keys: list[str], settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = keys

    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEYS") as caught:
        crypto.encrypt("secret", PLACE)

    assert not keys or keys[0] not in str(caught.value)
