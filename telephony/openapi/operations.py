"""Phone numbers, SIP trunks and calls, in words."""

from telephony.openapi.examples import CALL_EXAMPLE
from voiceops.api.operations import Operation
from voiceops.core.csv_encoding import csv_text

PROVIDER = "livekit_sip_error"
PLACING = (
    "agent_not_found agent_not_published phone_number_not_found phone_number_not_active "
    "no_phone_number invalid_phone_number number_not_dialable number_suppressed missing_variables "
    "variables_too_long daily_limit_reached"
)
TELEPHONY_TAGS = {
    "phone-numbers": "Numbers to call from and to be called at: your own, or bought at Twilio.",
    "sip-trunks": "The SIP connections of numbers at LiveKit, for those who bring their own.",
    "calls": "Calls one by one: placed, controlled, with timeline, transcript and recording.",
    "livekit": "What LiveKit sends.",
    "voice": "What voice workers report of themselves.",
}
TELEPHONY_OPERATIONS = {
    "phone_numbers_list": Operation("List phone numbers", "Newest first. Passwords are not shown."),
    "phone_numbers_create": Operation(
        "Register a number you own",
        "Creates the trunks at LiveKit, and the dispatch rule when an inbound agent is set. If "
        "that fails, everything is undone.",
        f"phone_number_registered invalid_phone_number sip_address_not_public agent_not_found "
        f"{PROVIDER} twilio_error",
    ),
    "phone_numbers_get": Operation(
        "Get a phone number", "`status` is `active` once calls can be made from it."
    ),
    "phone_numbers_update": Operation(
        "Change a phone number",
        "The pace applies at once; a changed inbound agent or SIP setting is passed on to LiveKit.",
        f"agent_not_found twilio_sip_fixed sip_address_not_public phone_number_not_active "
        f"{PROVIDER}",
    ),
    "phone_numbers_delete": Operation(
        "Delete a phone number",
        "Removes what was created at LiveKit. A number at Twilio stays yours there.",
        f"phone_number_in_use {PROVIDER}",
    ),
    "phone_numbers_available_list": Operation(
        "Search numbers for sale",
        "Twilio's inventory of a country. A country that sells no numbers of the type has none.",
        "twilio_error",
    ),
    "phone_numbers_prices": Operation(
        "What numbers cost",
        "What Twilio's numbers of a country cost a month, by type; none where none are sold.",
        "twilio_error",
    ),
    "phone_numbers_purchase": Operation(
        "Buy a number",
        "Buys it at Twilio, connects it to LiveKit and registers it. If a later step fails, "
        "everything before is undone.",
        f"phone_number_registered agent_not_found twilio_error {PROVIDER}",
    ),
    "phone_numbers_drift": Operation(
        "Compare a number with LiveKit",
        "What differs between the number and its trunks at LiveKit, in sentences.",
        "livekit_error",
    ),
    "phone_numbers_repair": Operation(
        "Restore a number's trunks", "Creates at LiveKit what is missing there.", PROVIDER
    ),
    "phone_numbers_test": Operation(
        "Place a test call",
        "Rings a phone once and hangs up when it is answered, without an agent. What the carrier "
        "answered stands in the call.",
        "phone_number_not_active phone_number_busy invalid_phone_number number_not_dialable "
        "number_suppressed",
    ),
    "sip_trunks_list": Operation(
        "List SIP trunks", "Those of phone numbers and those that stand alone, newest first."
    ),
    "sip_trunks_create": Operation(
        "Create a SIP trunk",
        "A trunk that belongs to no phone number. An outbound one needs an address.",
        f"phone_number_registered invalid_phone_number sip_address_not_public {PROVIDER}",
    ),
    "sip_trunks_get": Operation("Get a SIP trunk", "`status` is `missing` if LiveKit lost it."),
    "sip_trunks_update": Operation(
        "Change a SIP trunk",
        "Its direction stays. A trunk of a phone number is changed with the number.",
        f"trunk_of_a_number phone_number_registered sip_address_not_public {PROVIDER}",
    ),
    "sip_trunks_delete": Operation(
        "Delete a SIP trunk", "Removes it at LiveKit too.", f"trunk_of_a_number {PROVIDER}"
    ),
    "calls_list": Operation(
        "List calls",
        "Newest first, with many filters. `search` finds digits of either number. `after_id` and "
        "`before_id` walk through all calls without repeating or skipping one. With "
        "`total=capped` no more than 10,001 calls are counted.",
    ),
    "calls_create": Operation(
        "Place a call",
        "Queues a call with the published version of an agent. It is dialled as soon as its number "
        "has a line. Send an `Idempotency-Key`, so that a repeated request cannot call twice.",
        PLACING,
    ),
    "calls_get": Operation(
        "Get a call", "`status` says how far it is, `outcome` how it ended (null until then)."
    ),
    "calls_hangup": Operation(
        "Hang up",
        "A queued call is never dialled, one that is up is hung up.",
        f"call_ended {PROVIDER}",
    ),
    "calls_transfer": Operation(
        "Transfer a call",
        "Connects the callee to another number; the agent leaves.",
        f"call_ended call_not_in_progress invalid_phone_number number_not_dialable "
        f"number_suppressed {PROVIDER}",
    ),
    "calls_dtmf": Operation(
        "Press keys",
        "Makes the agent press keys of a telephone; `w` waits half a second.",
        "call_ended call_not_in_progress livekit_error",
    ),
    "calls_disposition": Operation(
        "Set a call's disposition",
        "How the call went, in one of the agent's own words, instead of what the agent has set. "
        "Its consequence follows.",
        "unknown_disposition",
    ),
    "calls_web": Operation(
        "Open a test call in the browser",
        "A room with the agent, and the token to join it with LiveKit's client library.",
        "agent_not_found agent_not_published missing_variables variables_too_long livekit_error",
    ),
    "calls_export_csv": Operation(
        "Export calls",
        "The calls that the list's filters find, newest first, streamed as CSV. A column for each "
        "field of a call.",
        answer=csv_text([*CALL_EXAMPLE], [*CALL_EXAMPLE.values()]),
    ),
    "calls_export_xlsx": Operation(
        "Export calls as a workbook",
        "The same as the CSV, for Excel: one sheet, of 1,048,576 rows at most.",
    ),
    "calls_events_list": Operation(
        "List a call's events",
        "Its timeline, oldest first: dialled, ringing, answered, what the agent saw, ended.",
    ),
    "calls_transcript": Operation("Get a transcript", "What was spoken, in order."),
    "calls_analysis": Operation(
        "Get a call's analysis",
        "What the agent found out, as its `analysis` setting asks.",
        "analysis_not_found",
    ),
    "calls_recording": Operation(
        "Get the link of a recording",
        "The link works as it is, without credentials, until it expires.",
        "recording_not_found s3_error",
    ),
    "calls_report": Operation(
        "Report what the agent saw",
        "For voice agents, with the token of the job's metadata. Events with a known `id` change "
        "nothing. The answer `Call has ended` asks the agent to leave the room.",
        "call_not_found",
        answer={"detail": "Received"},
    ),
    "livekit_webhook": Operation(
        "Receive an event of LiveKit",
        "For LiveKit only, which signs what it sends.",
        answer={"detail": "Received"},
    ),
    "voice_workers_report": Operation(
        "Report what a voice worker can speak with",
        "For voice workers, every minute, signed as LiveKit signs its events. Publishing an agent "
        "then warns about what no worker here speaks.",
        answer={"detail": "Received"},
    ),
}
