"""Loaded once, in the process from which job processes are forked: they share its memory."""

from importlib.util import find_spec

from voice.providers import local, registry
from voice.providers.local_ears import load_decoder
from voice.providers.local_voice import has_hibari, load_hibari
from voice.worker import job

# With one thread the voice's session survives a fork.
VOICE = load_hibari() if has_hibari() else None
MODULES = (local, registry, job)
# So does the recogniser, without which each call would load a dictionary before it could begin.
EARS = load_decoder() if find_spec("pocketsphinx") is not None else None
