"""Settings, read from the environment only.

Unset variables are secure: `DEBUG=1` and nothing else gives a working development server. Every
variable is documented in `.env.example`; tests/voiceops/test_settings.py compares the two.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured

from ops.control.theme import UNFOLD as UNFOLD
from voiceops.api.answer_headers import EXPOSED_HEADERS
from voiceops.api.document_settings import DOCUMENT_SETTINGS
from voiceops.core.env import (
    Env,
    ensure_dir,
    require_strong_fallback_secrets,
    require_strong_secrets,
    validate_sentry_dsn,
)
from voiceops.core.file_broker import transport_options
from voiceops.observability.logging_config import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()
DEBUG: bool = env.bool("DEBUG", default=False)
# Everything this server writes: SQLite, the file broker, uploads, recordings and the cache.
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_FOLDERS = ("uploads", "recordings", "cache", "broker", "logs")  # measured one by one
PORT = env.int("PORT", default=8000)
SANDBOX_PORT = env.int("SANDBOX_PORT", default=7880)

# --- secrets: with DEBUG=0 the server refuses to start with one of these examples ---
EXAMPLE_SECRETS = {
    "SECRET_KEY": "example-secret-key-for-a-laptop-only-0123456789abcdef",
    "JWT_API_SECRET": "example-jwt-secret-for-a-laptop-only-0123456789abcdef",
    "FIELD_ENCRYPTION_KEYS": "ZXhhbXBsZS1maWVsZC1rZXktbm90LWZvci1zZXJ2ZXI=",
    "LIVEKIT_API_KEY": "sandbox",
    "LIVEKIT_API_SECRET": "example-livekit-secret-of-the-sandbox-0123456789",
}
# Unset secrets are empty with DEBUG=0, so that the check below names them.
SECRETS: dict[str, str] = {
    name: env.str(name, default=example if DEBUG else "")
    for name, example in EXAMPLE_SECRETS.items()
}
# Secrets that were replaced lately. Tokens signed with them are accepted until they expire.
JWT_API_SECRET_FALLBACKS: list[str] = env.list("JWT_API_SECRET_FALLBACKS", default=[])
if not DEBUG:
    require_strong_secrets(SECRETS, EXAMPLE_SECRETS)
    require_strong_fallback_secrets(
        "JWT_API_SECRET_FALLBACKS", JWT_API_SECRET_FALLBACKS, EXAMPLE_SECRETS["JWT_API_SECRET"]
    )
SECRET_KEY = SECRETS["SECRET_KEY"]
JWT_API_SECRET = SECRETS["JWT_API_SECRET"]
# The first key encrypts. The others only decrypt what was encrypted with them.
FIELD_ENCRYPTION_KEYS = [
    key.strip() for key in SECRETS["FIELD_ENCRYPTION_KEYS"].split(",") if key.strip()
]

# --- security ---
PUBLIC_URL: str = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if DEBUG else []
)
# Pages on these origins may use the API with the browser's cookies.
TRUSTED_ORIGINS: list[str] = env.list("TRUSTED_ORIGINS", default=[])
CSRF_TRUSTED_ORIGINS = TRUSTED_ORIGINS
# Browsers of these origins may call the API, with cookies too; the admin is not for them.
CORS_ALLOWED_ORIGINS = [origin for origin in TRUSTED_ORIGINS if "*" not in origin]
CORS_URLS_REGEX = r"^/(?!admin(/|$))"
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = (
    *default_headers,
    "idempotency-key",
    "last-event-id",
    "x-api-key",
    "x-workspace-id",
)
CORS_EXPOSE_HEADERS = EXPOSED_HEADERS
CORS_PREFLIGHT_MAX_AGE = 600
# Forwarding headers are accepted from these networks only (voiceops.api.request_context).
TRUSTED_PROXIES: list[str] = env.list("TRUSTED_PROXIES", default=[])
# First parts of paths that get a 404 here, for example `admin` on a server for the API.
CLOSED_PAGES: list[str] = env.list("CLOSED_PAGES", default=[])
SECURE_SSL_REDIRECT = not DEBUG
# RequestContextMiddleware has removed the header unless a trusted proxy sent it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Programs that request these do not follow redirects.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|livekit/webhook|calls/[^/]+/report)$"]
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
# The admin's session. Requests that start on another site come without it.
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_AGE = 12 * 3600  # at most; half an hour of inactivity ends a session too
# With 0 a second factor is optional for staff; those who set one up still need it.
STAFF_SECOND_FACTOR: bool = env.bool("STAFF_SECOND_FACTOR", default=not DEBUG)
X_FRAME_OPTIONS = "DENY"
# Django's SecurityMiddleware is missed by name, but voiceops.api.security_headers derives from it.
SILENCED_SYSTEM_CHECKS = ["security.W001"]

# --- applications ---
INSTALLED_APPS = [
    # unfold replaces templates of the admin, so it must come first.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "ops.control.apps.ControlRoomConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # Bottom to top: an app may import those above it in this list, and none below.
    "accounts",
    "agents",
    "telephony",
    "batches",
    "webhooks",
    "worker",
    "console",
    "ops",
]
MIDDLEWARE = [
    # A request passes from top to bottom, its response back: each sees the errors of those below.
    "voiceops.api.request_context.RequestContextMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "voiceops.api.compression.CompressionMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "voiceops.api.security_headers.SecureResponseMiddleware",
    "console.wording.languages.ConsoleLanguageMiddleware",
    "voiceops.api.json_errors.JsonErrorsMiddleware",
    "telephony.views.machine_requests.MachineRequestsMiddleware",
    "voiceops.api.api_requests.ApiRequestsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.staff.login.StaffAccessMiddleware",
]
# Those with a catalogue (console/locale); only the console's pages are translated.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German"), ("es", "Spanish"), ("fr", "French")]
LANGUAGE_COOKIE_NAME = "console_language"
ROOT_URLCONF = "voiceops.urls"
WSGI_APPLICATION = "voiceops.wsgi.application"
# No documented path ends with a slash; JsonErrorsMiddleware accepts one all the same.
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL, STATIC_ROOT = "/static/", BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Static files are served from the installed packages, also without `collectstatic`.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
TIME_ZONE = "UTC"
USE_TZ = True
# Times in the admin, to the second.
FORMAT_MODULE_PATH = ["voiceops.formats"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- database: PostgreSQL, or SQLite as the embedded default. Without WAL and IMMEDIATE, SQLite
# fails with "database is locked" (docs/performance.md) ---
_database: dict[str, Any] = env.db_url(
    "DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'voiceops.sqlite3'}"
)
if _database["ENGINE"].endswith("sqlite3"):
    ensure_dir(Path(_database["NAME"]).parent)
    _database["ENGINE"] = "voiceops.db.sqlite"
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
            "PRAGMA wal_autocheckpoint=20000;"  # 80 MB: worker/periodic/checkpoints.py comes first
        ),
    }
else:
    _database["ENGINE"] = "voiceops.db.postgresql"
    # A connection that PostgreSQL has closed in the meantime is replaced, not used.
    _database["CONN_HEALTH_CHECKS"] = True
    # On an SSD a random read costs little more than a sequential one: totals come from indexes.
    _database["OPTIONS"] = {
        "options": "-c random_page_cost=1.1",
        **_database.get("OPTIONS", {}),
        "connect_timeout": 5,
    }
# Seconds. A new connection costs more than a request, with SQLite too, which reads the schema.
_database["CONN_MAX_AGE"] = 60
DATABASES = {"default": _database}

# --- accounts ---
# Of the login page of the control room, when it was opened by itself.
LOGIN_REDIRECT_URL = "admin:index"
AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["voiceops.core.password_hasher.BoundedArgon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},  # 123456789012
]
# The library signs and verifies. Whether a token is accepted is decided by its session's row.
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_API_SECRET,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "USER_ID_CLAIM": "sub",
    "LEEWAY": 0,
}

# --- API ---
THROTTLE_SCOPES = ("caller", "user", "anon", "workspace", "login", "account")
THROTTLE_RATES: dict[str, str] = env.rates("THROTTLE_RATES", THROTTLE_SCOPES)
# Shared by all processes of a machine: counts of throttles, and pages that are slow to build.
CACHES = {
    "default": {
        "BACKEND": "voiceops.core.file_cache.FileCache",
        "LOCATION": str(DATA_DIR / "cache"),
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
REST_FRAMEWORK: dict[str, Any] = {
    "EXCEPTION_HANDLER": "voiceops.api.errors.handle_exception",
    "DEFAULT_PAGINATION_CLASS": "voiceops.api.pagination.PagePagination",
    "DEFAULT_SCHEMA_CLASS": "voiceops.api.schema.Schema",
    "DEFAULT_THROTTLE_CLASSES": [
        f"accounts.api.throttles.{name.title()}Limit" for name in THROTTLE_SCOPES
    ],
    "DEFAULT_THROTTLE_RATES": THROTTLE_RATES,
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.auth.authentication.ApiAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.auth.permissions.HasRole"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "voiceops.api.parsers.AlwaysJSON",
    "DEFAULT_RENDERER_CLASSES": ["voiceops.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["voiceops.api.parsers.JSONParser"],
    # Errors of list items keep their index, which becomes part of `loc`.
    "LIST_SERIALIZER_ERRORS_AS_DICT": True,
    "DATETIME_FORMAT": "iso-8601",
    # REST framework's test client would send forms by default.
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# What a request may weigh (docs/reference/reliability.md §E1, §E3).
MAX_JSON_BYTES = env.int("MAX_JSON_BYTES", default=1_048_576)
MAX_JSON_DEPTH = env.int("MAX_JSON_DEPTH", default=32)
MAX_JSON_NAMES = env.int("MAX_JSON_NAMES", default=1_000)
MAX_JSON_ITEMS = env.int("MAX_JSON_ITEMS", default=1_000)
MAX_LISTED_ERRORS = env.int("MAX_LISTED_ERRORS", default=100)
MAX_DISCARDED_BYTES = env.int("MAX_DISCARDED_BYTES", default=8_388_608)
MAX_UPLOAD_COLUMNS = env.int("MAX_UPLOAD_COLUMNS", default=64)
MAX_UPLOAD_CELL_CHARACTERS = env.int("MAX_UPLOAD_CELL_CHARACTERS", default=1024)
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", default=52_428_800)
MAX_UPLOAD_ROWS = env.int("MAX_UPLOAD_ROWS", default=1_000_000)
# What may lie in DATA_DIR; the rest of its disk is kept for database, broker and logs.
MAX_DATA_DIR_BYTES = env.int("MAX_DATA_DIR_BYTES", default=107_374_182_400)
MIN_FREE_DISK_BYTES = env.int("MIN_FREE_DISK_BYTES", default=536_870_912)
MAX_WAITING_BYTES_PER_WORKSPACE = env.int("MAX_WAITING_BYTES_PER_WORKSPACE", default=1_073_741_824)
MAX_LOG_BYTES = env.int("MAX_LOG_BYTES", default=20_000_000)
# Places for requests that wait on an outside service or send a long file; a process has 16 threads.
SLOW_REQUESTS_PER_PROCESS = env.int("SLOW_REQUESTS_PER_PROCESS", default=5)
SLOW_REQUESTS_PER_WORKSPACE = env.int("SLOW_REQUESTS_PER_WORKSPACE", default=3)
SLOW_REQUEST_WAIT_SECONDS = env.float("SLOW_REQUEST_WAIT_SECONDS", default=3.0)
# Long lists that a worker process reads at the same time; it has 8 threads for tasks.
IMPORTS_PER_PROCESS = env.int("IMPORTS_PER_PROCESS", default=4)
# The limit of bodies without files too, such as lists sent as JSON.
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_UPLOAD_BYTES
# Uploads always go to disk: the import reads a file, whatever its size.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# --- LiveKit, Twilio, recordings ---
LIVEKIT_URL: str = env.str("LIVEKIT_URL", default=f"http://127.0.0.1:{SANDBOX_PORT}")
LIVEKIT_API_KEY = SECRETS["LIVEKIT_API_KEY"]
LIVEKIT_API_SECRET = SECRETS["LIVEKIT_API_SECRET"]
LIVEKIT_AGENT_NAME: str = env.str("LIVEKIT_AGENT_NAME", default="voiceops")
_livekit_host = urlsplit(LIVEKIT_URL).hostname or ""
LIVEKIT_SIP_HOST: str = env.str(
    "LIVEKIT_SIP_HOST", default=_livekit_host.replace(".livekit.cloud", ".sip.livekit.cloud")
)
# The sandbox is recognised by its address; its calls run SANDBOX_SPEED times faster.
USES_SANDBOX = LIVEKIT_URL in (
    f"http://127.0.0.1:{SANDBOX_PORT}",
    f"http://localhost:{SANDBOX_PORT}",
)
SANDBOX_SPEED: float = env.float("SANDBOX_SPEED", default=20.0)
if SANDBOX_SPEED <= 0:
    raise ImproperlyConfigured("SANDBOX_SPEED must be more than 0.")
# The access token of a dial request. LiveKit refuses the request once it has expired.
DIAL_TOKEN_SECONDS = 10
# After this time a request that was sent can no longer start a call: life of the token, LiveKit's
# leeway (60 s), its RPC deadline (80 s), and a margin.
DIAL_FENCE_SECONDS: float = env.float(
    "DIAL_FENCE_SECONDS",
    default=DIAL_TOKEN_SECONDS + (60 + 80) / SANDBOX_SPEED + 5 if USES_SANDBOX else 180.0,
)
# The sandbox plays Twilio too; these are its account and address.
TWILIO_ACCOUNT_SID: str = env.str(
    "TWILIO_ACCOUNT_SID", default="AC00000000000000000000000000000000" if DEBUG else ""
)
TWILIO_AUTH_TOKEN: str = env.str("TWILIO_AUTH_TOKEN", default="sandbox" if DEBUG else "")
TWILIO_BASE_URL: str = env.str(
    "TWILIO_BASE_URL", default=LIVEKIT_URL if USES_SANDBOX and DEBUG else ""
)
RECORDINGS_STORAGE: str = env.str("RECORDINGS_STORAGE", default="local")
S3_BUCKET: str = env.str("S3_BUCKET", default="")
S3_REGION: str = env.str("S3_REGION", default="us-east-1")
S3_ENDPOINT_URL: str = env.str("S3_ENDPOINT_URL", default="")
# Links for browsers may need another host than the one this server uses.
S3_PUBLIC_ENDPOINT_URL: str = env.str("S3_PUBLIC_ENDPOINT_URL", default="")
S3_ACCESS_KEY_ID: str = env.str("S3_ACCESS_KEY_ID", default="")
S3_SECRET_ACCESS_KEY: str = env.str("S3_SECRET_ACCESS_KEY", default="")

# --- Celery: messages only wake workers, the work is in rows; the default needs no server ---
SWEEP_SECONDS: float = env.float("SWEEP_SECONDS", default=5.0)
CELERY_BROKER_URL: str = env.str("CELERY_BROKER_URL", default="filesystem://")
# Tasks have no results: what they do is recorded in rows.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "voiceops"
# A dispatcher runs for up to a minute. A prefetched task would wait behind it.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Workers log in our format instead of Celery's.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
if CELERY_BROKER_URL.startswith("filesystem:"):
    CELERY_BROKER_TRANSPORT_OPTIONS = transport_options(DATA_DIR / "broker")
else:
    # A request must not wait for a broker that is down.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 5}

# --- e-mail, errors, logs ---
# Without EMAIL_URL, e-mails are printed with DEBUG=1. With DEBUG=0 they are dropped, because they
# contain tokens that must not appear in a log.
EMAIL_CONFIG: dict[str, Any] = env.email_url(
    "EMAIL_URL", default="consolemail://" if DEBUG else "dummymail://"
)
EMAIL_TIMEOUT = 10
# Django reads the parts as settings of their own: EMAIL_BACKEND, EMAIL_HOST and so on.
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL: str = env.str(
    "EMAIL_FROM", default=f"VoiceOps <voiceops@{urlsplit(PUBLIC_URL).hostname}>"
)
SENTRY_DSN: str = env.validated("SENTRY_DSN", validate_sentry_dsn)
# Only our own loggers use DEBUG; those of libraries would log requests, headers and rows.
LOG_LEVEL: str = env.level("LOG_LEVEL", default="INFO")
LOGGING = logging_config(
    level=LOG_LEVEL,
    apps=("accounts", "agents", "batches", "telephony", "voiceops", "webhooks", "worker"),
    sentry_dsn=SENTRY_DSN,
)

# --- API documentation ---
SPECTACULAR_SETTINGS = {
    **DOCUMENT_SETTINGS,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "voiceops.api.schema_types.tidy_types",
        "telephony.openapi.plain_views.add_plain_views",
        "webhooks.openapi.payloads.add_payloads",
        "voiceops.api.document.complete_document",
        "voiceops.api.probes.add_probes",
    ],
    "ENUM_NAME_OVERRIDES": {
        "BatchStatus": "batches.models.Batch.Status",
        "CallbackStatus": "batches.models.callbacks.Callback.Status",
        "DeliveryStatus": "webhooks.models.WebhookDelivery.Status",
        "PhoneNumberStatus": ["provisioning", "active", "error", "failing"],
        "SipTrunkStatus": "telephony.models.numbers.SipTrunk.Status",
        "RehearsalStatus": "agents.models.Rehearsal.Status",
    },
}
