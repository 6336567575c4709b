"""The official clients of LiveKit, Twilio and S3, each behind a wrapper that knows its traps."""
