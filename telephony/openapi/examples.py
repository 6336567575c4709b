"""Examples of the types of telephony."""

from typing import Any

from voiceops.api.example_ids import (
    AGENT_ID,
    EXAMPLE_BATCH_ID,
    EXAMPLE_CALL_ID,
    EXAMPLE_RECIPIENT_ID,
    INBOUND_TRUNK_ID,
    NUMBER_ID,
    OTHER_ID,
    OUTBOUND_TRUNK_ID,
)

CALL_CREATED_AT = "2027-03-01T09:00:00Z"
CALL_EXAMPLE: dict[str, Any] = {
    "id": EXAMPLE_CALL_ID,
    "direction": "outbound",
    "from": "+12025550100",
    "to": "+12025550123",
    "agent_id": AGENT_ID,
    "agent_version": 3,
    "batch_id": EXAMPLE_BATCH_ID,
    "recipient_id": EXAMPLE_RECIPIENT_ID,
    "attempt": 1,
    "status": "ended",
    "outcome": "answered",
    "end_reason": "callee_hung_up",
    "hung_up_by": "callee",
    "sip_status_code": 200,
    "sip_status": "OK",
    "variables": {"name": "Ada", "date": "Tuesday"},
    "metadata": {},
    "disposition": "confirmed",
    "disposition_by": "agent",
    "usage": [
        {
            "kind": "llm",
            "provider": "openai",
            "model": "gpt-4o-mini",
            "input_tokens": 1840,
            "output_tokens": 212,
            "cost": 0.000403,
        }
    ],
    "cost": {"amount": 0.000403, "currency": "USD"},
    "latency": {"answer_to_audio": 0.62, "p50": 0.81, "p95": 1.3},
    "has_recording": True,
    "created_at": CALL_CREATED_AT,
    "dialed_at": "2027-03-01T09:00:01Z",
    "ringing_at": "2027-03-01T09:00:02Z",
    "answered_at": "2027-03-01T09:00:10Z",
    "ended_at": "2027-03-01T09:00:51Z",
    "duration_seconds": 41.2,
}
CALL_ANALYSIS: dict[str, Any] = {
    "summary": "Ada confirmed the appointment.",
    "analyzed_at": "2027-03-01T09:00:58Z",
    "fields": {"confirmed": True},
}
SIP_EXAMPLE = {
    "address": "sip.carrier.example",
    "transport": "tcp",
    "auth_username": "clinic",
    "has_password": True,
    "dial_format": "e164",
    "dial_prefix": None,
    "codecs": None,
    "headers": {},
}
NUMBER_EXAMPLE: dict[str, Any] = {
    "id": NUMBER_ID,
    "phone_number": "+12025550100",
    "label": "Front desk",
    "provider": "sip",
    "status": "active",
    "sip": SIP_EXAMPLE,
    "inbound_agent_id": AGENT_ID,
    "calls_per_second": 1.0,
    "max_concurrent_calls": 10,
    "sip_trunk_ids": {"inbound": INBOUND_TRUNK_ID, "outbound": OUTBOUND_TRUNK_ID},
    "created_at": "2027-03-01T08:00:00Z",
}
TELEPHONY_EXAMPLES: dict[str, Any] = {
    "Call": CALL_EXAMPLE,
    "NewCallRequest": {
        "agent_id": AGENT_ID,
        "to": "+12025550123",
        "from_number_id": NUMBER_ID,
        "variables": {"name": "Ada", "date": "Tuesday"},
        "metadata": {"crm_id": "4711"},
    },
    "WebCallRequest": {"agent_id": AGENT_ID, "variables": {"name": "Ada", "date": "Tuesday"}},
    "WebCallToken": {
        "call_id": EXAMPLE_CALL_ID,
        "url": "wss://livekit.example.com",
        "token": "eyJhbGciOiJIUzI1NiIs…",
        "room": f"vo-{EXAMPLE_CALL_ID}",
    },
    "TransferRequest": {"to": "+12025550199"},
    "DtmfRequest": {"digits": "1w2#"},
    "CallDispositionRequest": {"name": "confirmed", "note": "Wants an offer by mail"},
    "CallEvent": {
        "id": OTHER_ID,
        "type": "answered",
        "text": "The callee answered",
        "at": "2027-03-01T09:00:10Z",
        "data": {},
    },
    "Transcript": {
        "turns": [
            {
                "role": "agent",
                "text": "Hello Ada, this is the clinic.",
                "started_at": "2027-03-01T09:00:10Z",
                "interrupted": False,
            },
            {
                "role": "user",
                "text": "Hello!",
                "started_at": "2027-03-01T09:00:14Z",
                "interrupted": False,
            },
        ]
    },
    "CallAnalysis": CALL_ANALYSIS,
    "RecordingLink": {
        "url": "https://recordings.example.com/a1b2.ogg?signature=K5oZfzN9",
        "expires_at": "2027-03-01T09:05:00Z",
    },
    "AgentReportRequest": {
        "events": [
            {
                "id": "1",
                "type": "turn",
                "at": "2027-03-01T09:00:10Z",
                "role": "agent",
                "text": "Hello Ada, this is the clinic.",
                "started_at": "2027-03-01T09:00:10Z",
                "interrupted": False,
            }
        ]
    },
    "LiveKitEventRequest": {"event": "room_finished", "id": "EV_x2Pq", "createdAt": "1803891652"},
    "VoiceWorkerReportRequest": {
        "name": "voice-1:8081",
        "agent_name": "voiceops",
        "version": "1.8.9",
        "max_calls": 10,
        "default_provider": "local",
        "providers": [
            {
                "name": "elevenlabs",
                "parts": [
                    {
                        "kind": "tts",
                        "has_package": True,
                        "has_keys": False,
                        "models": None,
                        "languages": None,
                    }
                ],
            }
        ],
    },
    "PhoneNumber": NUMBER_EXAMPLE,
    "PhoneNumberRequest": {
        "phone_number": "+12025550100",
        "label": "Front desk",
        "provider": "sip",
        "sip": {
            "address": "sip.carrier.example",
            "transport": "tcp",
            "auth_username": "clinic",
            "auth_password": "a long password",
        },
        "inbound_agent_id": AGENT_ID,
        "calls_per_second": 1.0,
        "max_concurrent_calls": 10,
    },
    "PatchedPhoneNumberRequest": {"calls_per_second": 2.0, "max_concurrent_calls": 20},
    "PurchaseRequest": {"phone_number": "+12025550142", "label": "Reminders"},
    "TestCallRequest": {"to": "+12025550123"},
    "Drift": {
        "checked_at": CALL_CREATED_AT,
        "drift": ["The outbound trunk does not exist at LiveKit"],
    },
    "Offer": {
        "phone_number": "+12025550142",
        "friendly_name": "(202) 555-0142",
        "country": "US",
        "type": "local",
        "locality": "Washington",
        "region": "DC",
        "postal_code": "20001",
        "address_requirements": "none",
        "capabilities": {"voice": True, "sms": True, "mms": False},
    },
    "NumberPrices": {
        "country": "US",
        "currency": "USD",
        "monthly": {"local": 1.15, "toll_free": 2.15},
    },
    "SipTrunk": {
        "id": OUTBOUND_TRUNK_ID,
        "direction": "outbound",
        "livekit_trunk_id": "ST_4f8Qm2",
        "phone_number_id": None,
        "address": "sip.carrier.example",
        "numbers": ["+12025550101"],
        "status": "active",
        "created_at": "2027-03-01T08:00:00Z",
    },
    "SipTrunkRequest": {
        "direction": "outbound",
        "address": "sip.carrier.example",
        "transport": "tcp",
        "auth_username": "clinic",
        "auth_password": "a long password",
        "numbers": ["+12025550101"],
    },
    "PatchedSipTrunkRequest": {"address": "sip2.carrier.example"},
}
