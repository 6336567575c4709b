"""Where recordings are stored: a folder of DATA_DIR or a bucket, behind Django's storage interface.

Signing a link to S3 never fails, so callers ask first whether the object exists
(`docs/reference/protocols.md §7`).
"""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage, Storage
from django.utils import timezone

from telephony.clients.errors import provider_errors
from voiceops.core.errors import ProviderError
from voiceops.core.lazy_module import LazyModule

if TYPE_CHECKING:
    from botocore import config as botocore_config
    from botocore import exceptions as s3_errors
    from storages.backends import s3
else:
    botocore_config = LazyModule("botocore.config")
    s3_errors = LazyModule("botocore.exceptions")
    s3 = LazyModule("storages.backends.s3")

LINK_LIFETIME = timedelta(minutes=5)
LINK_SIGNER = signing.TimestampSigner(salt="telephony.recording")
S3_TIMEOUT_SECONDS = 5  # botocore's default of a minute would hold a web request for as long


# `exists` is a HEAD, whose answer has no body: S3's code is then the bare status.
STORAGE_REASONS = {"403": "access denied", "404": "the bucket does not exist"}


class LinkExpired(Exception):
    """The link was ours, and its five minutes are over."""


def uses_s3() -> bool:
    """Return whether recordings are stored in a bucket."""
    return bool(settings.RECORDINGS_STORAGE == "s3")


def recordings_storage(*, public: bool = False) -> Storage:
    """Return the storage; `public` for links that a browser opens.

    The host is part of a link's signature, and browsers may reach S3 under another one than we do.
    """
    if not uses_s3():
        return FileSystemStorage(location=settings.DATA_DIR / "recordings")
    endpoint = (settings.S3_PUBLIC_ENDPOINT_URL if public else "") or settings.S3_ENDPOINT_URL
    storage: Storage = s3.S3Storage(
        bucket_name=settings.S3_BUCKET,
        access_key=settings.S3_ACCESS_KEY_ID or None,
        secret_key=settings.S3_SECRET_ACCESS_KEY or None,
        region_name=settings.S3_REGION,
        endpoint_url=endpoint or None,
        client_config=botocore_config.Config(
            # botocore presigns with SigV2 by default, which newer regions refuse.
            signature_version="s3v4",
            # An endpoint of one's own rarely has a host name for every bucket.
            s3={"addressing_style": "path" if endpoint else "virtual"},
            connect_timeout=S3_TIMEOUT_SECONDS,
            read_timeout=S3_TIMEOUT_SECONDS,
            retries={"total_max_attempts": 2},
            # By default botocore adds a CRC32 to every PUT, which older compatible stores refuse.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    return storage


def storage_errors() -> AbstractContextManager[None]:
    """Turn what S3's client raises into `S3 error: <reason>`. Raises ProviderError."""
    if not uses_s3():
        return nullcontext()
    return provider_errors((s3_errors.ClientError, s3_errors.BotoCoreError), _to_error)


def _to_error(error: Exception) -> ProviderError:
    if isinstance(error, s3_errors.NoCredentialsError | s3_errors.PartialCredentialsError):
        reason = "no credentials are configured"
    elif isinstance(error, s3_errors.ClientError):
        details = error.response.get("Error", {})
        code = str(details.get("Code"))
        reason = STORAGE_REASONS.get(code) or details.get("Message") or code
    else:
        reason = "could not be reached"
    return ProviderError(f"S3 error: {reason}")


def is_stored(key: str) -> bool:
    """Return whether there is a recording under this key. Raises ProviderError."""
    try:
        with storage_errors():
            storage = recordings_storage()
            is_found = storage.exists(key)
            if not is_found and uses_s3():
                assert isinstance(storage, s3.S3Storage)
                # To S3 a missing bucket looks like a missing object (both 404): this one raises.
                storage.connection.meta.client.head_bucket(Bucket=settings.S3_BUCKET)
            return is_found
    except SuspiciousOperation:  # the key leads out of the storage
        return False


def delete(key: str) -> None:
    """Delete the recording under this key; none there is fine. Raises ProviderError."""
    with storage_errors():
        recordings_storage().delete(key)


def create_link(key: str, *, recording_id: UUID, filename: str) -> tuple[str, datetime]:
    """Return a link that needs no credentials, and when it expires. Raises ProviderError."""
    expires_at = timezone.now() + LINK_LIFETIME
    if not uses_s3():
        return f"{settings.PUBLIC_URL}/recordings/{LINK_SIGNER.sign(str(recording_id))}", expires_at
    headers = {
        "ResponseContentDisposition": f'attachment; filename="{filename}"',
        "ResponseContentType": "audio/ogg",
    }
    with storage_errors():
        storage = recordings_storage(public=True)
        assert isinstance(storage, s3.S3Storage)
        seconds = int(LINK_LIFETIME.total_seconds())
        return storage.url(key, parameters=headers, expire=seconds), expires_at


def recording_of_link(token: str) -> UUID | None:
    """Return the recording that a local link leads to; None when it is not ours.

    Raises LinkExpired.
    """
    try:
        return UUID(LINK_SIGNER.unsign(token, max_age=LINK_LIFETIME))
    except signing.SignatureExpired as error:
        raise LinkExpired from error
    except (signing.BadSignature, ValueError):
        return None
