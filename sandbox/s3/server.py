"""A small S3 server at `/s3` that verifies signatures (docs/reference/protocols.md §7).

Set `S3_ENDPOINT_URL` to `http://127.0.0.1:7880/s3`, with path-style addressing. Objects are stored
in `<data dir>/s3`.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

from aiohttp import hdrs, web

from sandbox.s3.signature import ALGORITHM, Scope, canonical_request, sign
from sandbox.store import Row, Store

OBJECTS_TABLE, BUCKETS_TABLE = "s3_objects", "s3_buckets"
MAX_CLOCK_SKEW = timedelta(minutes=15)
MAX_LINK_SECONDS = 7 * 24 * 3600
UNSIGNED_PAYLOADS = ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
HEADER_OVERRIDES = {
    "response-content-disposition": hdrs.CONTENT_DISPOSITION,
    "response-content-type": hdrs.CONTENT_TYPE,
    "response-cache-control": hdrs.CACHE_CONTROL,
}


class S3Error(Exception):
    """An error that becomes an XML response."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def response(self) -> web.Response:
        text = f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'
        return web.Response(status=self.status, text=body, content_type="application/xml")


@dataclass
class S3Server:
    """Buckets and objects, stored in a folder and indexed in the store.

    `secrets` maps access keys to their secrets. `existing_bucket` need not be created; "" is none.
    """

    store: Store
    folder: Path
    secrets: Mapping[str, str]
    existing_bucket: str = ""

    def __post_init__(self) -> None:
        if self.existing_bucket and self.existing_bucket not in self.store.table(BUCKETS_TABLE):
            self.store.put(BUCKETS_TABLE, self.existing_bucket, {})

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.route("*", "/s3/{bucket}", self.serve),
            web.route("*", "/s3/{bucket}/{key:.*}", self.serve),
        ]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle a request for a bucket or an object."""
        try:
            body = await request.read()
            authorize(request, body, self.secrets)
            bucket = request.match_info["bucket"]
            if key := request.match_info.get("key", ""):
                return self._object(request, bucket, key, body)
            return self._bucket(request.method, bucket)
        except S3Error as error:
            return error.response()

    def _bucket(self, method: str, bucket: str) -> web.Response:
        if method == "PUT":
            self.store.put(BUCKETS_TABLE, bucket, {})
        elif bucket not in self.store.table(BUCKETS_TABLE):
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
        elif method != "HEAD":
            raise S3Error(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            )
        return web.Response()

    def _object(
        self, request: web.Request, bucket: str, key: str, body: bytes
    ) -> web.StreamResponse:
        if bucket not in self.store.table(BUCKETS_TABLE):
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
        name = f"{bucket}/{key}"
        if request.method == "PUT":
            return self._put(request, name, body)
        row = self.store.table(OBJECTS_TABLE).get(name)
        if request.method == "DELETE":
            self._delete(name, row)
            return web.Response(status=204)
        if request.method not in ("GET", "HEAD"):
            raise S3Error(
                405,
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
            )
        if row is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        return self._get(request, row)

    def _put(self, request: web.Request, name: str, body: bytes) -> web.Response:
        if "aws-chunked" in request.headers.get(hdrs.CONTENT_ENCODING, ""):
            body = decode_aws_chunks(body)
        # S3's ETag of an object that was put in one request is its MD5.
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        # A key such as `../x` must not become a path.
        file = hashlib.sha256(name.encode()).hexdigest()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / file).write_bytes(body)
        kind = request.headers.get(hdrs.CONTENT_TYPE, "binary/octet-stream")
        self.store.put(
            OBJECTS_TABLE,
            name,
            {"file": file, "etag": etag, "content_type": kind, "size": len(body)},
        )
        return web.Response(headers={hdrs.ETAG: f'"{etag}"'})

    def _get(self, request: web.Request, row: Row) -> web.StreamResponse:
        headers = {
            hdrs.ETAG: f'"{row["etag"]}"',
            hdrs.CONTENT_TYPE: row["content_type"],
            hdrs.ACCEPT_RANGES: "bytes",
        }
        for parameter, header in HEADER_OVERRIDES.items():
            if parameter in request.query:
                headers[header] = request.query[parameter]
        return web.FileResponse(self.folder / row["file"], headers=headers)

    def _delete(self, name: str, row: Row | None) -> None:
        if row is not None:
            self.store.delete(OBJECTS_TABLE, name)
            (self.folder / row["file"]).unlink(missing_ok=True)


# --- signatures ---


def authorize(request: web.Request, body: bytes, secrets: Mapping[str, str]) -> None:
    """Verify the signature, in the header or in the URL.

    Raises S3Error when it is missing, expired, not of Version 4 or wrong.
    """
    authorization = request.headers.get("Authorization", "")
    if "X-Amz-Signature" in request.query:
        _check_url(request, secrets)
    elif "Signature" in request.query or authorization.startswith("AWS "):
        raise S3Error(
            400,
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. "
            f"Please use {ALGORITHM}.",
        )
    elif authorization.startswith(ALGORITHM):
        _check_header(request, body, secrets)
    else:
        raise S3Error(403, "AccessDenied", "Access Denied")


def _check_header(request: web.Request, body: bytes, secrets: Mapping[str, str]) -> None:
    parts = dict(re.findall(r"(\w+)=([^,\s]+)", request.headers["Authorization"]))
    digest = request.headers.get("x-amz-content-sha256", "")
    if digest not in UNSIGNED_PAYLOADS and digest != hashlib.sha256(body).hexdigest():
        raise S3Error(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match.",
        )
    moment = request.headers.get("x-amz-date", "")
    if abs(datetime.now(UTC) - _parse_time(moment)) > MAX_CLOCK_SKEW:
        message = "The difference between the request time and the current time is too large."
        raise S3Error(403, "RequestTimeTooSkewed", message)
    query = list(request.query.items())
    _verify_signature(request, secrets, parts, query, moment, digest)


def _check_url(request: web.Request, secrets: Mapping[str, str]) -> None:
    parts = {
        name: request.query.get(f"X-Amz-{name}", "")
        for name in ("Credential", "SignedHeaders", "Signature")
    }
    moment = request.query.get("X-Amz-Date", "")
    expires = request.query.get("X-Amz-Expires", "")
    if not expires.isdigit() or int(expires) > MAX_LINK_SECONDS:
        message = f"X-Amz-Expires must be less than a week (in seconds): {MAX_LINK_SECONDS}"
        raise S3Error(400, "AuthorizationQueryParametersError", message)
    # The signature covers the whole query except itself.
    query = [(name, value) for name, value in request.query.items() if name != "X-Amz-Signature"]
    _verify_signature(request, secrets, parts, query, moment, "UNSIGNED-PAYLOAD")
    if datetime.now(UTC) > _parse_time(moment) + timedelta(seconds=int(expires)):
        raise S3Error(403, "AccessDenied", "Request has expired")


def _parse_time(moment: str) -> datetime:
    try:
        return datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise S3Error(
            403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        ) from None


def _verify_signature(
    request: web.Request,
    secrets: Mapping[str, str],
    parts: Mapping[str, str],
    query: list[tuple[str, str]],
    moment: str,
    digest: str,
) -> None:
    access_key, _, scope = parts.get("Credential", "").partition("/")
    if access_key not in secrets:
        raise S3Error(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        )
    # Verified in the region that the client signed for: the sandbox is in every region.
    day, _, rest = scope.partition("/")
    signed = {
        name: request.headers.get(name, "")
        for name in parts.get("SignedHeaders", "").split(";")
        if name
    }
    canonical = canonical_request(request.method, request.rel_url.raw_path, query, signed, digest)
    found = Scope(day, rest.partition("/")[0])
    expected = sign(secret=secrets[access_key], scope=found, moment=moment, canonical=canonical)
    if not hmac.compare_digest(expected, parts.get("Signature", "")) or "host" not in signed:
        raise S3Error(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )


def decode_aws_chunks(body: bytes) -> bytes:
    """Return the payload of an `aws-chunked` body.

    Each chunk begins with its size in hexadecimal and perhaps a signature; a trailer may follow.
    """
    whole = b""
    while body:
        head, _, body = body.partition(b"\r\n")
        size = int(head.partition(b";")[0] or b"0", 16)
        if size == 0:
            break
        whole, body = whole + body[:size], body[size + 2 :]
    return whole
