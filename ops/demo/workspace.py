"""What the demo needs before it can call anybody: a person, an agent and a number, made through the
API.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from accounts.models import User
from ops.demo.client import Api

EMAIL = "demo@example.com"
NUMBER = "+12025550100"
AGENT_NAME = "Demo agent"
AGENT = {
    "name": AGENT_NAME,
    "system_prompt": (
        "You call on behalf of a medical practice and remind {{first_name}} of an appointment. "
        "Be brief and friendly, and end the call when the appointment is confirmed or declined."
    ),
    "first_message": "Hello {{first_name}}, this is the practice, about your appointment. Does it still suit you?",
    "variables": [{"name": "first_name", "required": False, "default": "there"}],
    # Who is kept talking to the end shall not keep a rehearsal waiting.
    "max_call_duration_seconds": 120,
}
TRUNK = {
    "phone_number": NUMBER,
    "label": "Demo number",
    "provider": "sip",
    "sip": {"address": "sip.example.com"},
    "calls_per_second": 20,
    "max_concurrent_calls": 200,
}


@dataclass(frozen=True)
class Demo:
    api: Api
    agent_id: str
    phone_number_id: str


def enter(url: str, *, email: str, password: str) -> Demo:
    """Log in, making whatever does not exist yet. Raises ApiError."""
    api = Api(url, email=email, password=password)
    api.register(name="Demo", workspace_name="Demo")
    User.objects.filter(email=email).update(
        is_staff=True, is_superuser=True
    )  # opens /admin/, which no API can
    number = api.find("/phone-numbers", phone_number=NUMBER) or api.post("/phone-numbers", TRUNK)
    return Demo(api, _published_agent(api), number["id"])


def credentials(kept_in: Path) -> tuple[str, str]:
    """The demo user's e-mail and password: generated the first time, then read back."""
    if not kept_in.exists():
        kept_in.touch(mode=0o600)
        kept_in.write_text(json.dumps({"email": EMAIL, "password": secrets.token_urlsafe(18)}))
    kept = json.loads(kept_in.read_text())
    return kept["email"], kept["password"]


def _published_agent(api: Api) -> str:
    agent = api.find("/agents", name=AGENT_NAME) or api.post("/agents", AGENT)
    if agent["published_version"] is None:
        api.post(f"/agents/{agent['id']}/publish")
    return str(agent["id"])
