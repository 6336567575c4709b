"""Webhooks, in words and examples."""

from typing import Any

from batches.openapi.examples import BATCH_EXAMPLE, CALLBACK_EXAMPLE, RECIPIENT_EXAMPLE
from telephony.openapi.examples import CALL_ANALYSIS, CALL_EXAMPLE
from voiceops.api.example_ids import DELIVERY_ID, EXAMPLE_BATCH_ID, EXAMPLE_CALL_ID, WEBHOOK_ID
from voiceops.api.operations import Operation
from webhooks.events import RECIPIENT_EVENT_FIELDS

URL_ERRORS = (
    "webhook_url_invalid webhook_url_has_credentials webhook_url_not_https webhook_url_port "
    "webhook_url_not_public"
)
WEBHOOK_TAGS = {
    "webhooks": "Events that are sent to your server, signed as Standard Webhooks asks, and the "
    "log of their deliveries."
}
WEBHOOK_OPERATIONS = {
    "webhooks_list": Operation("List webhooks", "Newest first, without their secrets."),
    "webhooks_create": Operation(
        "Create a webhook",
        "Sends `events`, or all of them, to an https URL. `secret` verifies the signatures; it is "
        "in this answer only.",
        URL_ERRORS,
    ),
    "webhooks_get": Operation(
        "Get a webhook", "`disabled_reason` and `failing_since` say whether it can be reached."
    ),
    "webhooks_update": Operation(
        "Change a webhook",
        "`enabled: true` enables one that was disabled because it kept failing; what waited for it "
        "is then sent.",
        URL_ERRORS,
    ),
    "webhooks_delete": Operation("Delete a webhook", "What waits to be sent is dropped."),
    "webhooks_rotate_secret": Operation(
        "Get a new secret", "For 24 hours the old secret signs as well, separated by a space."
    ),
    "webhooks_test": Operation(
        "Send a test event",
        "Sends `webhook.test`. The delivery shows whether it arrived.",
        "webhook_disabled",
    ),
    "webhooks_redeliver": Operation(
        "Send the deliveries of a span of time again",
        "For a receiver that was away. `webhook-id` stays the same, so that what did arrive is "
        "recognised.",
        "webhook_disabled",
    ),
    "webhooks_deliveries_list": Operation(
        "List deliveries", "Those of 30 days, newest first, by status or event."
    ),
    "webhooks_deliveries_get": Operation(
        "Get a delivery",
        "With the payload, the headers of the last attempt, and what the receiver answered.",
        "webhook_delivery_not_found",
    ),
    "webhooks_deliveries_redeliver": Operation(
        "Send a delivery again",
        "Whatever became of it, with a fresh schedule of retries.",
        "webhook_delivery_not_found webhook_disabled",
    ),
}
ENDPOINT = {
    "id": WEBHOOK_ID,
    "url": "https://example.com/voiceops",
    "description": "CRM",
    "events": ["call.ended", "batch.completed"],
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "created_at": "2027-03-01T08:00:00Z",
}
DELIVERY = {
    "id": DELIVERY_ID,
    "event": "call.ended",
    "event_id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    "status": "delivered",
    "attempts": 1,
    "response_status": 200,
    "error": None,
    "duration_ms": 41,
    "created_at": "2027-03-01T09:01:00Z",
    "last_attempt_at": "2027-03-01T09:01:01Z",
    "delivered_at": "2027-03-01T09:01:01Z",
    "next_attempt_at": None,
}
EVENT_AT = "2027-03-01T09:00:52Z"
FINISHED = {
    name: {**RECIPIENT_EXAMPLE, "batch_id": EXAMPLE_BATCH_ID}[name]
    for name in (*RECIPIENT_EVENT_FIELDS, "variables")
}
WEBHOOK_EXAMPLES: dict[str, Any] = {
    "Webhook": ENDPOINT,
    "NewWebhook": {**ENDPOINT, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
    "WebhookRequest": {
        "url": "https://example.com/voiceops",
        "events": ["call.ended", "batch.completed"],
    },
    "PatchedWebhookRequest": {"enabled": True},
    "Delivery": DELIVERY,
    "DeliveryDetail": {
        **DELIVERY,
        "payload": {"type": "call.ended", "timestamp": EVENT_AT, "data": {"id": EXAMPLE_CALL_ID}},
        "headers": {
            "webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
            "webhook-timestamp": "1803891661",
            "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
        },
        "answer": {"status": 200, "body": "ok", "error": None, "duration_ms": 41},
    },
    "RedeliveryRequest": {
        "from": "2027-03-01T08:00:00Z",
        "to": "2027-03-01T09:00:00Z",
        "status": "failed",
    },
    "QueuedDeliveries": {"queued": 12},
    "CallEventPayload": {"type": "call.ended", "timestamp": EVENT_AT, "data": CALL_EXAMPLE},
    "CallAnalyzedPayload": {
        "type": "call.analyzed",
        "timestamp": EVENT_AT,
        "data": {**CALL_EXAMPLE, "analysis": CALL_ANALYSIS},
    },
    "CallDispositionPayload": {
        "type": "call.disposition",
        "timestamp": EVENT_AT,
        "data": {**CALL_EXAMPLE, "note": "Wants an offer by mail"},
    },
    "BatchEventPayload": {"type": "batch.completed", "timestamp": EVENT_AT, "data": BATCH_EXAMPLE},
    "RecipientEventPayload": {
        "type": "recipient.finished",
        "timestamp": EVENT_AT,
        "data": FINISHED,
    },
    "CallbackEventPayload": {
        "type": "callback.scheduled",
        "timestamp": EVENT_AT,
        "data": CALLBACK_EXAMPLE,
    },
    "TestEventPayload": {
        "type": "webhook.test",
        "timestamp": EVENT_AT,
        "data": {"webhook_id": WEBHOOK_ID, "message": "It works"},
    },
}
