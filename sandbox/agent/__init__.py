"""The voice agent that the sandbox plays: its jobs, its conversations and its reports."""
