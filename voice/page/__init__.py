"""A page on this machine that talks with an agent through the laptop's microphone."""
