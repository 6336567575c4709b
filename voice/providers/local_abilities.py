"""Which models and languages the provider `local` has on this machine."""

import shutil
from importlib.util import find_spec

from voice.providers.local_whisper import WHISPER_MODEL, has_whisper


def local_models(kind: str) -> list[str]:
    """Return the engines of a part that are installed; none when it cannot be used."""
    installed = {
        "llm": {"rules": True},
        "stt": {"pocketsphinx": _has("pocketsphinx"), WHISPER_MODEL: has_whisper()},
        "tts": {"hibari": _has("hibari"), "espeak-ng": _has_espeak()},
    }
    return [model for model, is_there in installed[kind].items() if is_there]


def local_languages(kind: str) -> list[str] | None:
    """Return the languages of a part, None for all: its ears understand English alone."""
    speaks_all = kind == "llm" or (kind == "tts" and _has_espeak())
    return None if speaks_all else ["en"]


def find_local_faults() -> list[str]:
    """Return what of the local provider is missing, each in a few words."""
    faults = []
    if not _has("pocketsphinx"):
        faults.append("no ears: the package pocketsphinx is missing")
    if not _has("hibari"):
        faults.append("no English voice: the package hibari-tts is missing")
    if not _has_espeak():
        faults.append("no other language: the program espeak-ng is missing")
    if not has_whisper():
        faults.append("only phrases that are listed are heard: requirements-worker-whisper.txt")
    return faults


def _has(package: str) -> bool:
    return find_spec(package) is not None


def _has_espeak() -> bool:
    return shutil.which("espeak-ng") is not None
