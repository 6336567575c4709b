import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from voiceops.chunked import WholeBodies
from voiceops.patience import WEB_SECONDS, limit_statements

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voiceops.settings")

limit_statements(WEB_SECONDS)
application = WholeBodies(get_wsgi_application(), longest=settings.MAX_UPLOAD_BYTES)
