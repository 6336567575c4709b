"""Types of the OpenAPI document: names that read well, and null as OpenAPI 3.1 has it."""

from collections.abc import Iterator
from typing import Any

REF = "#/components/schemas/"
# What drf-spectacular derives -> what clients see. Two types of one new name must be the same.
NAMES = {
    "ActionEnum": "VoicemailAction",
    "Answer": "ReceiverAnswer",
    "ApiKeyMade": "NewApiKey",
    "AppendRequest": "MoreRecipientsRequest",
    "AppendUploadRequest": "MoreRecipientsUploadRequest",
    "CallDirectionEnum": "CallDirection",
    "CallOrderRequest": "NewCallRequest",
    "CallStatusEnum": "CallStatus",
    "CallingProfileEnum": "CallingProfileName",
    "ConsequenceTypeEnum": "ConsequenceType",
    "DialFormatEnum": "DialFormat",
    "DispositionByEnum": "DispositionBy",
    "Event": "CallEvent",
    "EventEnum": "DeliveredEventType",
    "EventPage": "CallEventPage",
    "EventsEnum": "WebhookEventType",
    "Figures": "SummaryFigures",
    "Findings": "CallAnalysis",
    "Group": "SummaryGroup",
    "GroupByEnum": "SummaryGroupBy",
    "HiddenRowsEnum": "HiddenRows",
    "HungUpByEnum": "HungUpBy",
    "Counts": "BatchCounts",
    "Imported": "ImportedSuppressions",
    "Ladders": "OutcomeDelays",
    "LaddersRequest": "OutcomeDelaysRequest",
    "NewCallback": "Callback",
    "LanguageEnum": "MailLanguage",
    "OnDuplicateEnum": "OnDuplicate",
    "OnExistingEnum": "OnExisting",
    "OutcomeEnum": "Outcome",
    "OutcomesEnum": "Outcome",
    "PatchedPhoneNumberChangeRequest": "PatchedPhoneNumberRequest",
    "PatchedSipTrunkChangeRequest": "PatchedSipTrunkRequest",
    "PatchedWorkspaceDetailRequest": "PatchedWorkspaceRequest",
    "PhoneNumberChange": "PhoneNumber",
    "ProgressStatusEnum": "BatchStatus",
    "ProviderEnum": "PhoneNumberProvider",
    "Queued": "QueuedDeliveries",
    "ReasonRequest": "ReviewDecisionRequest",
    "RecipientStatusEnum": "RecipientStatus",
    "RedeliveryStatusEnum": "DeliveryStatus",
    "RoleEnum": "Role",
    "Seat": "MembershipSummary",
    "SipChange": "Sip",
    "SipTrunkChange": "SipTrunk",
    "SipTrunkDirectionEnum": "SipTrunkDirection",
    "SourceEnum": "SuppressionSource",
    "StartEnum": "BatchStart",
    "SuppressionImportStatusEnum": "SuppressionImportStatus",
    "SuppressionListRequest": "SuppressionUploadRequest",
    "ToolTypeEnum": "ToolType",
    "TransportEnum": "SipTransport",
    "TrialCallRequest": "TestCallRequest",
    "UnknownZoneEnum": "UnknownZone",
    "WebSeat": "WebCallToken",
    "WorkspaceDetail": "Workspace",
    "WorkspaceDetailPage": "WorkspacePage",
    "WorkspaceDetailRequest": "WorkspaceRequest",
}


def tidy_types(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """A postprocessing hook: renames types, and writes null as a type."""
    schemas = result["components"]["schemas"]
    schemas.pop("NullEnum", None)
    for old, new in NAMES.items():
        # Of two types that differ only in how they were derived, the named one stays.
        derived = schemas.pop(old)
        schemas.setdefault(new, derived)
    for part in list(parts_of(result)):
        if "$ref" in part:
            name = part["$ref"].removeprefix(REF)
            part["$ref"] = REF + NAMES.get(name, name)
        _tidy_schema(part)
    for operations in result["paths"].values():
        for operation in operations.values():
            _drop_null_of_form(operation, schemas)
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result


def parts_of(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a part of the document, inner ones first."""
    if isinstance(part, dict):
        for inner in part.values():
            yield from parts_of(inner)
        yield part
    elif isinstance(part, list):
        for inner in part:
            yield from parts_of(inner)


def _tidy_schema(schema: dict[str, Any]) -> None:
    # Requests and answers have types of their own, so that neither needs these.
    for name in ("readOnly", "writeOnly"):
        if schema.get(name) is True:
            del schema[name]
    if "oneOf" in schema:
        null = {"$ref": f"{REF}NullEnum"}
        choices = [{"type": "null"} if choice == null else choice for choice in schema["oneOf"]]
        schema["oneOf"] = [
            choice for position, choice in enumerate(choices) if choice not in choices[:position]
        ]
    if len(schema.get("allOf", ())) == 1:
        schema |= schema.pop("allOf")[0]  # OpenAPI 3.1 allows a description beside a reference
    kinds = schema.get("type")
    if schema.get("nullable") is True and isinstance(kinds, str):
        del schema["nullable"]
        kinds = [kinds, "null"]
    if isinstance(kinds, list):
        schema["type"] = list(dict.fromkeys(kinds))


def _drop_null_of_form(operation: Any, schemas: dict[str, Any]) -> None:
    """A form has no null: a field without a value is left out."""
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" not in content:
        return
    name = content["multipart/form-data"]["schema"]["$ref"].removeprefix(REF)
    for field in schemas[name]["properties"].values():
        if isinstance(field.get("type"), list):
            [field["type"]] = [kind for kind in field["type"] if kind != "null"]
        if "oneOf" in field:
            choices = [choice for choice in field.pop("oneOf") if choice != {"type": "null"}]
            field |= choices[0] if len(choices) == 1 else {"oneOf": choices}
