#!/usr/bin/env python
"""Django's command line. Reads `.env` beside this file, so that tests and gunicorn never see a developer's settings."""

import os
import sys
from pathlib import Path

import environ
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    environ.Env.read_env(Path(__file__).with_name(".env"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voiceops.settings")
    execute_from_command_line(sys.argv)
