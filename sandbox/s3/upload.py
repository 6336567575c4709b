"""Uploads an object to S3 as egress does: one PUT, signed with AWS Signature Version 4."""

import asyncio
import hashlib
import ipaddress
import re
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import aiohttp
from livekit.protocol import egress
from yarl import URL

from sandbox.s3.signature import ALGORITHM, Scope, canonical_request, sign

UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=30)
MAX_UPLOAD_ATTEMPTS = 3
UPLOAD_RETRY_SECONDS = 0.5  # seconds, wall clock


class UploadError(Exception):
    """The upload failed, with the reason that egress appends to "S3 upload failed: "."""


async def put_object(
    session: aiohttp.ClientSession,
    upload: egress.S3Upload,
    key: str,
    body: bytes,
    content_type: str,
) -> str:
    """Store an object and return its URL. Server errors and lost connections are retried.

    Raises UploadError when the object could not be stored.
    """
    url = object_url(upload, key)
    for attempt in range(MAX_UPLOAD_ATTEMPTS):
        try:
            # Signed for every attempt, because a signature contains the time.
            headers = signed_headers(upload, url, body, content_type)
            async with session.put(
                URL(url, encoded=True), data=body, headers=headers, timeout=UPLOAD_TIMEOUT
            ) as response:
                answer = await response.text()
                if response.status < 300:
                    return url
                reason = f"api error {_error_code(answer) or response.status}"
                # Other errors are permanent: the bucket is missing or access is denied.
                if response.status < 500:
                    break
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = f"request send failed, {error}"
        if attempt < MAX_UPLOAD_ATTEMPTS - 1:
            await asyncio.sleep(UPLOAD_RETRY_SECONDS)
    raise UploadError(f"operation error S3: PutObject, {reason}")


def object_url(upload: egress.S3Upload, key: str) -> str:
    """Return the URL of an object.

    The bucket is in the path when `force_path_style` is set or the host cannot have subdomains, and
    otherwise in the host name.
    """
    endpoint = urlsplit(
        upload.endpoint or f"https://s3.{upload.region or 'us-east-1'}.amazonaws.com"
    )
    if not endpoint.netloc:
        endpoint = urlsplit(f"https://{upload.endpoint}")
    path = quote(key, safe="/-_.~")
    if upload.force_path_style or _has_no_subdomains(endpoint.hostname or ""):
        return f"{endpoint.scheme}://{endpoint.netloc}{endpoint.path.rstrip('/')}/{upload.bucket}/{path}"
    return (
        f"{endpoint.scheme}://{upload.bucket}.{endpoint.netloc}{endpoint.path.rstrip('/')}/{path}"
    )


def _has_no_subdomains(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def signed_headers(
    upload: egress.S3Upload, url: str, body: bytes, content_type: str
) -> dict[str, str]:
    """Return the headers of the PUT, with its signature."""
    now = datetime.now(UTC)
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    target = urlsplit(url)
    headers = {
        "content-type": content_type,
        "host": target.netloc,
        "x-amz-content-sha256": digest,
        "x-amz-date": moment,
    }
    if upload.session_token:
        headers["x-amz-security-token"] = upload.session_token
    scope = Scope(now.strftime("%Y%m%d"), upload.region or "us-east-1")
    canonical = canonical_request("PUT", target.path, [], headers, digest)
    signature = sign(secret=upload.secret, scope=scope, moment=moment, canonical=canonical)
    names = ";".join(sorted(headers))
    credential = f"{upload.access_key}/{scope}"
    headers["authorization"] = (
        f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _error_code(answer: str) -> str:
    found = re.search(r"<Code>([^<]+)</Code>", answer)
    return found[1] if found else ""
