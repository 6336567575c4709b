"""Which server the commands speak to: the environment, else what `voiceops login` has stored."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from voiceops.cli.failures import NoCredentials
from voiceops.client import VoiceOps

URL_VARIABLE = "VOICEOPS_URL"
KEY_VARIABLE = "VOICEOPS_API_KEY"


class Login(NamedTuple):
    """A server and a key of one of its workspaces."""

    url: str
    api_key: str


def login_file() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "voiceops" / "login.json"


def load_login() -> Login:
    """Return the server and the key. The environment wins. Raises NoCredentials."""
    file = login_file()
    stored = json.loads(file.read_text()) if file.exists() else {}
    url = os.environ.get(URL_VARIABLE) or stored.get("url")
    api_key = os.environ.get(KEY_VARIABLE)
    # A stored key is good for its own server only, and is sent to no other.
    if not api_key and url == stored.get("url"):
        api_key = stored.get("api_key")
    if not url:
        raise NoCredentials(f"No server is named: neither by {URL_VARIABLE} nor by a login.")
    if not api_key:
        raise NoCredentials(f"No API key for {url}: neither in {KEY_VARIABLE} nor by a login.")
    return Login(url, api_key)


def save_login(login: Login) -> Path:
    """Store the login where only this user can read it. Returns the file."""
    file = login_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(json.dumps(login._asdict()))
    return file


def connect() -> VoiceOps:
    """Return a client of the server that is meant. Raises NoCredentials."""
    login = load_login()
    return VoiceOps(login.url, api_key=login.api_key)
