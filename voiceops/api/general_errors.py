"""Errors that every operation may answer with. The first of a status is its general one."""

from voiceops.api.error_codes import VALIDATION_FAILED, DocumentedError

READ_AGAIN = "Try again after the seconds that `Retry-After` names."
GENERAL_ERRORS = (
    DocumentedError(
        "malformed_request_body",
        400,
        "Malformed request body",
        "The body is no JSON, or not the JSON that is accepted: it is cut off, nested too deeply, "
        "or has `NaN`.",
        "Send one JSON document in UTF-8 with `Content-Type: application/json`.",
    ),
    DocumentedError(
        "bad_request",
        400,
        "Bad request",
        "The request itself cannot be read: its host, its path, its query or its headers.",
        "Send a request that HTTP allows, to a host in `ALLOWED_HOSTS`.",
    ),
    DocumentedError(
        "invalid_phone_number",
        400,
        "Invalid phone number",
        "The number has no international spelling, or its country has no such numbers.",
        "Write it in E.164, for example `+12025550123`.",
    ),
    DocumentedError(
        "too_many_rows",
        400,
        "The list has more than … rows: split it into several lists.",
        "`recipients` is longer than `MAX_UPLOAD_ROWS`.",
        "Split it, and append the rest with `POST /batches/{id}/recipients`.",
    ),
    DocumentedError(
        "not_found",
        404,
        "Not found",
        "There is no such URL.",
        "Compare the path with this reference; ids belong between slashes.",
    ),
    DocumentedError(
        "method_not_allowed",
        405,
        "Method not allowed",
        "The URL exists, and does not accept this method.",
        "Use one of the methods that this reference has for the path.",
    ),
    DocumentedError(
        "request_body_too_large",
        413,
        "Request body too large",
        "The body is longer than the server accepts (`MAX_JSON_BYTES`, for lists "
        "`MAX_UPLOAD_BYTES`).",
        "Send less at a time: a list can be appended to in parts.",
    ),
    DocumentedError(
        "unsupported_media_type",
        415,
        "Unsupported media type",
        "`Content-Type` names a form of body that the operation does not read.",
        "Send `application/json`, or `multipart/form-data` where a file is accepted.",
    ),
    DocumentedError(
        "range_not_satisfiable",
        416,
        "Requested range not satisfiable",
        "`Range` asks for bytes that the recording does not have.",
        "Ask for bytes below its length, or for all of it.",
    ),
    DocumentedError(
        VALIDATION_FAILED,
        422,
        "",
        "Fields are missing, unknown, or not of the described type. `detail` lists all of them, "
        "each with its path in `loc`.",
        "Correct the fields that `loc` names; `msg` says what was expected.",
    ),
    DocumentedError(
        "too_many_requests",
        429,
        "Too many requests",
        "The operator has set limits (`THROTTLE_RATES`), and one of them is used up.",
        READ_AGAIN,
    ),
    DocumentedError(
        "internal_error",
        500,
        "Internal server error",
        "A mistake of ours. It is logged under the `X-Request-ID` of the answer.",
        "Give that id to whoever runs the server. A POST with an `Idempotency-Key` is safe to "
        "send again.",
    ),
    DocumentedError(
        "database_unreachable",
        503,
        "The database cannot be reached",
        "The server has lost its database.",
        READ_AGAIN,
    ),
    DocumentedError(
        "not_ready",
        503,
        "Not ready: …",
        "What the sentence names cannot be reached; `checks` of `/readyz` says why.",
        "Bring it back; the server then answers by itself.",
    ),
    DocumentedError(
        "database_busy",
        503,
        "The database is busy",
        "A lock was not free in time. Nothing was changed.",
        READ_AGAIN,
    ),
    DocumentedError(
        "disk_full",
        503,
        "The server's disk is full, so nothing was stored: try again later",
        "The disk is full, or only its reserve for calling is left (`MIN_FREE_DISK_BYTES`).",
        "Tell whoever runs the server; try again once there is room.",
    ),
    DocumentedError(
        "storage_quota_reached",
        503,
        "The server keeps no more than … bytes of files, which are used up, so nothing was stored: "
        "try again later",
        "`MAX_DATA_DIR_BYTES` is used up.",
        "Tell whoever runs the server; try again once there is room.",
    ),
)
