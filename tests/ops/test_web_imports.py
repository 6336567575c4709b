"""What a web process has in memory before its first request."""

import json
import os
import subprocess
import sys

from django.conf import settings

# Large, and used by few requests or none: imported when first used (voiceops/core/lazy_module.py).
HEAVY_MODULES = {
    *("aiohttp", "boto3", "botocore", "google.protobuf", "holidays", "livekit", "storages"),
    *("moto", "numpy", "openpyxl", "pandas", "phonenumbers.geodata", "python_calamine"),
    *("twilio.rest.api", "sandbox", "voice"),
}
START = """
import json, sys
import voiceops.wsgi
from django.urls import get_resolver
get_resolver().url_patterns
print(json.dumps(sorted(sys.modules)))
"""


def test_a_web_process_starts_without_what_few_requests_need() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "voiceops.settings", "DEBUG": "1"}

    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        check=True,
    )

    modules = set(json.loads(done.stdout))
    assert "accounts.admin" in modules
    assert modules & HEAVY_MODULES == set()
