"""The environment first, then the product's settings, then a handful of overrides."""

import os
import tempfile

os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="voiceops-tests-"))

from voiceops.settings import *  # noqa: E402, F403

DEBUG = False
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECURE_SSL_REDIRECT = False
LIVEKIT_URL = "http://127.0.0.1:9"  # nothing listens there: a test that needs LiveKit starts a sandbox
WHITENOISE_AUTOREFRESH = True  # reads files when asked: nothing is collected for tests
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405 - from the star above
    # A file, as in production: in memory, connections of several threads lock one another out at once.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
