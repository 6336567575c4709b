"""Settings for the tests: the product's own, with an environment prepared before they are read and
a few overrides after.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("DEBUG", "1")
if "DATA_DIR" not in os.environ:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="voiceops-tests-")
    # Processes started by tests inherit the variable, so only the process that created the folder
    # removes it.
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)
if os.environ.get("PYTEST_XDIST_WORKER", "") not in ("", Path(os.environ["DATA_DIR"]).name):
    # Tests that run side by side have a folder each: some count what is left behind in theirs.
    os.environ["DATA_DIR"] += f"/{os.environ['PYTEST_XDIST_WORKER']}"
    Path(os.environ["DATA_DIR"]).mkdir(exist_ok=True)

from voiceops.settings import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECURE_SSL_REDIRECT = False
SLOW_REQUEST_WAIT_SECONDS = 0.0
# Nothing listens on port 9. A test that needs LiveKit starts a sandbox.
LIVEKIT_URL = "http://127.0.0.1:9"
# Tests do not run collectstatic, so WhiteNoise must read each file on request.
WHITENOISE_AUTOREFRESH = True
if DATABASES["default"]["ENGINE"] == "voiceops.db.sqlite":  # noqa: F405 - from the star above
    # Use a file, as in production. With an in-memory database the connections of several threads
    # fail with "table is locked" instead of waiting for each other.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
