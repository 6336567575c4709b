"""The connection to the callee: in memory, in a room of LiveKit, or by requests alone."""
