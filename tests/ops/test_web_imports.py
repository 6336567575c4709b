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
    *("jinja2", "pygments", "requests", "twilio.http", "twilio.rest", "urllib3"),
    *("sandbox", "voice"),
}
START = """
import json, sys
import voiceops.wsgi
from django.urls import get_resolver
get_resolver().url_patterns
started = sorted(sys.modules)
from celery import current_app
from voiceops.core.task_queue import RUN_SWEEP, enqueue, prepare_to_send
prepare_to_send()
prepared = set(sys.modules)
current_app.conf.broker_url = "memory://"
enqueue(RUN_SWEEP)
print(json.dumps([started, sorted(set(sys.modules) - prepared)]))
"""


def test_a_web_process_starts_without_what_few_requests_need_and_with_what_most_do() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "voiceops.settings", "DEBUG": "1"}

    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        check=True,
    )

    modules, imported_later = json.loads(done.stdout)
    assert "accounts.admin" in modules
    assert set(modules) & HEAVY_MODULES == set()
    # Each process would import it for itself; its transport was imported by the settings.
    assert [name for name in imported_later if name.startswith("celery")] == []
