"""The voice agent the sandbox plays: what it does in a room, says on a call and reports."""
