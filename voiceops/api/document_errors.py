"""Errors of every operation in the OpenAPI document, each with its sentence, body and code."""

from typing import Any

from voiceops.api.error_codes import (
    HEADER,
    VALIDATION_FAILED,
    DocumentedError,
    documented_errors,
)
from voiceops.api.operations import Operation
from voiceops.api.schema import ROLE
from voiceops.api.schema_types import REF

CREDENTIAL_ERRORS = "invalid_token token_expired invalid_api_key user_not_found"
IDEMPOTENCY = "invalid_idempotency_key idempotency_key_reused request_in_progress"
BODY = "malformed_request_body request_body_too_large unsupported_media_type"
ANYWHERE = "internal_error database_unreachable database_busy"
# Of views for machines, which no limit counts.
MACHINE_SCHEMES = ("callToken", "liveKitToken")
BY_ROLE = {"member": "", "manager": "insufficient_permissions", "admin": "admin_required"}
# A part of a path -> what is missing when its id is unknown.
MISSING = {
    "/agents/{id}": "agent_not_found",
    "/api-keys/{id}": "api_key_not_found",
    "/batches/{id}": "batch_not_found",
    "/callbacks/{id}": "callback_not_found",
    "/calls/{id}": "call_not_found",
    "/column-mappings/{id}": "column_mapping_not_found",
    "/saved-reports/{id}": "saved_report_not_found",
    "/invitations/{id}": "invitation_not_found",
    "/members/{user_id}": "member_not_found",
    "/phone-numbers/{id}": "phone_number_not_found",
    "/sip-trunks/{id}": "sip_trunk_not_found",
    "/suppressions/{id}": "suppression_not_found",
    "/suppressions/imports/{id}": "suppression_import_not_found",
    "/webhooks/{id}": "webhook_not_found",
    "/workspaces/{id}": "workspace_not_found",
    "/workspaces/{workspace_id}": "workspace_not_found",
}
FIELD_EXAMPLE = {"loc": ["body", "name"], "msg": "field required", "type": "value_error.missing"}
QUERY_EXAMPLE = {
    "loc": ["query", "page"],
    "msg": "value is not a valid integer",
    "type": "type_error.integer",
}


def describe_errors(operation: dict[str, Any], method: str, path: str, words: Operation) -> None:
    """Add the operation's error answers: its own, and those of every operation like it."""
    known = {error.code: error for error in documented_errors()}
    by_status: dict[int, list[DocumentedError]] = {}
    for code in _codes(operation, method, path, words):
        error = known[code]
        found = by_status.setdefault(error.status, [])
        if error not in found:
            found.append(error)
    answers = {str(status): error_response(errors) for status, errors in by_status.items()}
    answers["422"] = _validation_response(method != "get")
    operation["responses"] |= dict(sorted(answers.items()))
    general = [known[code] for code in ANYWHERE.split()]
    operation["responses"]["default"] = {
        **error_response(general),
        "description": "Any other error, in the same form.",
    }


def error_response(errors: list[DocumentedError]) -> dict[str, Any]:
    """Return the response of one status, with a body for each of its errors."""
    sentences = dict.fromkeys(error.message for error in errors)
    examples = {
        error.code: {"summary": error.cause, "value": {"detail": error.message}} for error in errors
    }
    return {
        "description": " · ".join(f"`{sentence}`" for sentence in sentences),
        "headers": {HEADER: {"$ref": "#/components/headers/ErrorCode"}},
        "content": {"application/json": {"schema": {"$ref": f"{REF}Error"}, "examples": examples}},
    }


def _codes(operation: dict[str, Any], method: str, path: str, words: Operation) -> list[str]:
    codes = words.errors.split()
    if operation.get("security") not in ([], [{}]):
        codes += [*CREDENTIAL_ERRORS.split(), "not_a_member"]
        codes += BY_ROLE[operation.get(ROLE, "member")].split()
    codes += ["origin_not_allowed"] if method != "get" else []
    codes += [code for part, code in MISSING.items() if f"{part}/" in f"{path}/"]
    codes += IDEMPOTENCY.split() if method == "post" else []
    # An action without fields refuses a body as well as others do.
    codes += ["too_many_requests"] if is_limited(operation) else []
    codes += BODY.split() if "requestBody" in operation or method == "post" else []
    return codes


def is_limited(operation: dict[str, Any]) -> bool:
    """Whether `THROTTLE_RATES` may limit an operation."""
    schemes = {scheme for choice in operation.get("security", ()) for scheme in choice}
    return schemes.isdisjoint(MACHINE_SCHEMES)


def _validation_response(has_body: bool) -> dict[str, Any]:
    example = FIELD_EXAMPLE if has_body else QUERY_EXAMPLE
    return {
        "description": "Fields are missing, unknown or of another type: all of them at once.",
        "headers": {HEADER: {"$ref": "#/components/headers/ErrorCode"}},
        "content": {
            "application/json": {
                "schema": {"$ref": f"{REF}ValidationErrors"},
                "examples": {
                    VALIDATION_FAILED: {"summary": "A field", "value": {"detail": [example]}}
                },
            }
        },
    }
