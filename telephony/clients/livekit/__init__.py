"""LiveKit: rooms, dials, calls that are up, trunks, egress, tokens and webhook signatures."""
