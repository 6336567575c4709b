"""What VoiceOps is measured against."""
