"""The environment first, then the product's settings, then a handful of overrides."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("DEBUG", "1")
if "DATA_DIR" not in os.environ:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="voiceops-tests-")
    # Processes that tests start inherit it, and only the one that made it takes it away.
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

from voiceops.settings import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECURE_SSL_REDIRECT = False
LIVEKIT_URL = (
    "http://127.0.0.1:9"  # nothing listens there: a test that needs LiveKit starts a sandbox
)
WHITENOISE_AUTOREFRESH = True  # reads files when asked: nothing is collected for tests
if DATABASES["default"]["ENGINE"] == "voiceops.db.sqlite":  # noqa: F405 - from the star above
    # A file, as in production: in memory, connections of several threads lock one another out at
    # once.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
