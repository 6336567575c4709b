"""Prints fresh secrets as lines for `.env`: `python ops/new_secrets.py >> .env`. Needs nothing
installed.
"""

import base64
import secrets
import sys


def new_secrets() -> dict[str, str]:
    """One value for each variable. LiveKit's are for a server of your own; LiveKit Cloud issues its
    own.
    """
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_API_SECRET": secrets.token_urlsafe(48),
        # The cipher needs exactly 32 bytes.
        "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "LIVEKIT_API_KEY": f"API{secrets.token_hex(6)}",
        "LIVEKIT_API_SECRET": secrets.token_urlsafe(48),
    }


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}={value}\n" for name, value in new_secrets().items())
