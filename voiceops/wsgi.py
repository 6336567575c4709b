import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from voiceops.api.chunked_body import ChunkedBodyMiddleware
from voiceops.api.lean_imports import import_lean

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voiceops.settings")
import_lean()

application = ChunkedBodyMiddleware(get_wsgi_application(), max_bytes=settings.MAX_UPLOAD_BYTES)
