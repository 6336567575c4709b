"""Where recordings lie: a folder of DATA_DIR, or a bucket, both behind Django's storage interface.

Signing a link to S3 never fails, so whether the object is there is asked first (`protocols.md` §7).
"""

from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from uuid import UUID

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from django.conf import settings
from django.core import signing
from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage, Storage
from django.utils import timezone
from storages.backends.s3 import S3Storage

from telephony.clients.errors import provider_errors
from voiceops.core.errors import ProviderError

LASTS = timedelta(minutes=5)
SIGNER = signing.TimestampSigner(salt="telephony.recording")
TIMEOUT = 5  # seconds; botocore's own minute would hold a request for as long


REASONS = {"403": "access denied", "404": "the bucket does not exist"}  # by S3's code


class LinkExpired(Exception):
    """The link was ours and good for five minutes, which are over."""


def uses_s3() -> bool:
    return bool(settings.RECORDINGS_STORAGE == "s3")


def recordings_storage(*, public: bool = False) -> Storage:
    """`public` for links: the host is part of the signature, and the browser's may be another than
    ours.
    """
    if not uses_s3():
        return FileSystemStorage(location=settings.DATA_DIR / "recordings")
    endpoint = (settings.S3_PUBLIC_ENDPOINT_URL if public else "") or settings.S3_ENDPOINT_URL
    storage: Storage = S3Storage(
        bucket_name=settings.S3_BUCKET,
        access_key=settings.S3_ACCESS_KEY_ID or None,
        secret_key=settings.S3_SECRET_ACCESS_KEY or None,
        region_name=settings.S3_REGION,
        endpoint_url=endpoint or None,
        client_config=Config(
            signature_version="s3v4",  # botocore still presigns with SigV2 when not told otherwise
            s3={"addressing_style": "path" if endpoint else "virtual"},
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            retries={"total_max_attempts": 2},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    return storage


def storage_errors() -> AbstractContextManager[None]:
    """Turn what S3's client raises into `S3 error: <reason>`. Raises ProviderError."""
    return provider_errors((ClientError, BotoCoreError), _to_error)


def _to_error(error: Exception) -> ProviderError:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        reason = "no credentials are configured"
    elif isinstance(error, ClientError):
        details = error.response.get("Error", {})
        code = str(details.get("Code"))
        reason = REASONS.get(code) or details.get("Message") or code
    else:
        reason = "could not be reached"
    return ProviderError(f"S3 error: {reason}")


def is_stored(key: str) -> bool:
    """Raises ProviderError."""
    try:
        with storage_errors():
            return recordings_storage().exists(key)
    except SuspiciousOperation:  # a name that leads out of the storage
        return False


def delete(key: str) -> None:
    """Nothing there is fine. Raises ProviderError."""
    with storage_errors():
        recordings_storage().delete(key)


def link_to(key: str, *, recording_id: UUID, filename: str) -> tuple[str, datetime]:
    """A link that needs no credentials, and when it ends. Raises ProviderError."""
    expires_at = timezone.now() + LASTS
    if not uses_s3():
        return f"{settings.PUBLIC_URL}/recordings/{SIGNER.sign(str(recording_id))}", expires_at
    answer_as = {
        "ResponseContentDisposition": f'attachment; filename="{filename}"',
        "ResponseContentType": "audio/ogg",
    }
    with storage_errors():
        storage = recordings_storage(public=True)
        assert isinstance(storage, S3Storage)
        return storage.url(key, parameters=answer_as, expire=int(LASTS.total_seconds())), expires_at


def read_link(token: str) -> UUID | None:
    """The recording a local link leads to; None when it is not ours. Raises LinkExpired."""
    try:
        return UUID(SIGNER.unsign(token, max_age=LASTS))
    except signing.SignatureExpired as error:
        raise LinkExpired from error
    except (signing.BadSignature, ValueError):
        return None
