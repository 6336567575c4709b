"""The heart beats in every worker, or nobody looks when no bell rings."""

import subprocess
import sys

from tests.faults.test_drill import ROOT

# What a worker does when it starts: load the tasks, then say that it begins.
WORKER = """
import django; django.setup()
from celery.signals import worker_init
from voiceops.celery import app
app.loader.import_default_modules()
worker_init.send(sender=None)
import threading
print(sorted(thread.name for thread in threading.enumerate()))
"""


def test_the_heart_beats_in_a_worker_before_it_has_a_broker() -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings"}

    done = subprocess.run(
        [sys.executable, "-c", WORKER], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert "'heart'" in done.stdout, done.stdout + done.stderr
