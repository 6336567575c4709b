"""Loaded once, in the process from which job processes are forked: they share its memory."""

from importlib.util import find_spec

from voice.providers import local, registry
from voice.providers.local_voice import has_hibari, load_hibari
from voice.worker import job

# With one thread the voice's session survives a fork.
VOICE = load_hibari() if has_hibari() else None
MODULES = (local, registry, job)
HAS_EARS = find_spec("pocketsphinx") is not None
