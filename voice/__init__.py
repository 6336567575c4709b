"""The agent that talks on the telephone: a program of its own, on livekit-agents.

It runs in a virtual environment of its own (`.venv-worker`), knows no Django, and of the control
plane's modules it imports only pure ones (`.importlinter`).
"""
