"""Errors about numbers, trunks and calls, and of LiveKit, Twilio and S3."""

from voiceops.api.error_codes import DocumentedError

NO_SUCH_ID = "It does not exist, or belongs to another workspace; the two look the same."
ASK_PROVIDER = (
    "The sentence says what the provider refused. Correct it there, or try again when it is back; "
    "`python manage.py doctor` checks the credentials."
)
TELEPHONY_ERRORS = (
    DocumentedError("call_not_found", 404, "Call not found", NO_SUCH_ID, "List `GET /calls`."),
    DocumentedError(
        "phone_number_not_found",
        404,
        "Phone number not found",
        NO_SUCH_ID,
        "List `GET /phone-numbers`.",
    ),
    DocumentedError(
        "sip_trunk_not_found", 404, "SIP trunk not found", NO_SUCH_ID, "List `GET /sip-trunks`."
    ),
    DocumentedError(
        "recording_not_found",
        404,
        "Recording not found",
        "The call was not recorded, its recording is not finished, or its time of storage is over.",
        "Wait for the event `call.recording_ready`; `has_recording` of the call shows it, too.",
    ),
    DocumentedError(
        "analysis_not_found",
        404,
        "Analysis not found",
        "The agent has no `analysis`, or has not reported its results yet.",
        "Wait for the event `call.analyzed`.",
    ),
    DocumentedError(
        "link_expired",
        403,
        "Link expired",
        "The link of a recording works for a few minutes.",
        "Get another one with `GET /calls/{id}/recording`.",
    ),
    DocumentedError(
        "phone_number_registered",
        409,
        "Phone number already registered",
        "A SIP trunk for this number exists, in any workspace.",
        "Use the number that is there, or delete it first.",
    ),
    DocumentedError(
        "phone_number_not_active",
        400,
        "Phone number is not active",
        "Its trunks are still being created at LiveKit, or that failed.",
        "Look at `status` of `GET /phone-numbers/{id}`; `POST …/repair` creates them again.",
    ),
    DocumentedError(
        "phone_number_in_use",
        400,
        "Phone number is in use",
        "A running batch or a call uses it.",
        "Stop the batch, or wait until it has ended.",
    ),
    DocumentedError(
        "phone_number_busy",
        400,
        "Phone number is busy",
        "All its lines are taken (`max_concurrent_calls`).",
        "Wait until a call has ended, or raise `max_concurrent_calls`.",
    ),
    DocumentedError(
        "phone_number_removed",
        400,
        "Phone number was removed while it was being registered",
        "Somebody deleted it in the meantime.",
        "Register it again.",
    ),
    DocumentedError(
        "no_phone_number",
        400,
        "The workspace has no active phone number",
        "`from_number_id` was left out, and there is no number to call from.",
        "Register a number with `POST /phone-numbers`.",
    ),
    DocumentedError(
        "twilio_sip_fixed",
        400,
        "The SIP settings of a number connected through Twilio cannot be changed",
        "Its trunk was made for Twilio.",
        "Leave `sip` out.",
    ),
    DocumentedError(
        "trunk_of_a_number",
        400,
        "SIP trunk belongs to a phone number",
        "The trunk is kept as its phone number needs it.",
        "Change or delete the phone number.",
    ),
    DocumentedError(
        "sip_address_not_public",
        400,
        "SIP address must be public",
        "The address is private, or that of a machine itself.",
        "Give the public host of the carrier.",
    ),
    DocumentedError(
        "call_ended",
        400,
        "Call has ended",
        "What was asked for needs a call that goes on.",
        "Nothing is left to do.",
    ),
    DocumentedError(
        "call_not_in_progress",
        400,
        "Call is not in progress",
        "Keys and transfers need a call that was answered.",
        "Wait for the event `call.answered`.",
    ),
    DocumentedError(
        "call_with_number_open",
        400,
        "A call with this number has not ended; try again when it has",
        "What is known of a number is erased only when nobody is talking to it.",
        "Wait until the call has ended.",
    ),
    DocumentedError(
        "missing_variables",
        400,
        "Missing required variables: …",
        "The agent needs variables that the call does not have.",
        "Add them to `variables`, or give them a default in the agent.",
    ),
    DocumentedError(
        "variables_too_long",
        400,
        "The variables are too long: LiveKit accepts …, including the agent's settings",
        "LiveKit limits what is sent to the agent with a call.",
        "Send less in `variables` and `metadata`, or shorten the agent's prompt.",
    ),
    DocumentedError(
        "agent_settings_too_long",
        400,
        "The agent's settings are too long: LiveKit accepts …, including the variables of a call",
        "LiveKit limits what is sent to the agent with a call.",
        "Shorten the prompt, the tools or the other settings.",
    ),
    DocumentedError(
        "number_suppressed",
        400,
        "The number is on the suppression list",
        "A suppressed number is never called, whoever asks.",
        "Leave it, or lift the suppression with `DELETE /suppressions/{id}`.",
    ),
    DocumentedError(
        "number_not_dialable",
        400,
        "+… is …",
        "Emergency, premium-rate, satellite and short numbers are never called.",
        "Call an ordinary number.",
    ),
    DocumentedError(
        "daily_limit_reached",
        400,
        "The workspace has reached its daily limit of calls",
        "`max_calls_per_day` of the workspace is used up.",
        "Try again tomorrow, or let an admin raise it: `PATCH /workspaces/{id}`.",
    ),
    DocumentedError(
        "daily_budget_spent",
        400,
        "The workspace has spent its budget of the day",
        "The calls of the day, with what those under way will probably cost, have used up "
        "`max_cost_per_day` of the workspace.",
        "Try again tomorrow, or let an admin raise it: `PATCH /workspaces/{id}`.",
    ),
    DocumentedError(
        "unknown_disposition",
        400,
        "The call's agent has no disposition …; …",
        "`name` is not one of the dispositions of the agent's version that made the call.",
        "Use one of the names that the sentence lists.",
    ),
    DocumentedError(
        "livekit_sip_error",
        500,
        "LiveKit SIP error: …",
        "LiveKit refused a trunk, a rule or a transfer, or could not be reached.",
        ASK_PROVIDER,
    ),
    DocumentedError(
        "livekit_error",
        500,
        "LiveKit error: …",
        "LiveKit refused, or could not be reached.",
        ASK_PROVIDER,
    ),
    DocumentedError(
        "twilio_error",
        500,
        "Twilio error: …",
        "Twilio refused, or could not be reached.",
        ASK_PROVIDER,
    ),
    DocumentedError(
        "s3_error",
        500,
        "S3 error: …",
        "The storage of recordings refused, or could not be reached.",
        ASK_PROVIDER,
    ),
)
