"""What the demo needs before it can call: a user, a workspace, an agent and a number, created
through the API.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from accounts.models import User
from ops.demo.client import Api

DEMO_EMAIL = "demo@example.com"
DEMO_NUMBER = "+12025550100"
# The agent that `make talk` speaks with as well, without a key. Some numbers of the sandbox never
# hang up; its maximum duration keeps them from holding up the end of the batch.
AGENT = json.loads((settings.BASE_DIR / "ops" / "data" / "demo_agent.json").read_text())
AGENT_NAME = AGENT["name"]
TRUNK = {
    "phone_number": DEMO_NUMBER,
    "label": "Demo number",
    "provider": "sip",
    "sip": {"address": "sip.example.com"},
    "calls_per_second": 20,
    "max_concurrent_calls": 200,
}


@dataclass(frozen=True)
class DemoWorkspace:
    api: Api
    agent_id: str
    phone_number_id: str


def prepare_workspace(url: str, *, email: str, password: str) -> DemoWorkspace:
    """Log in, and create what does not exist yet. Raises ApiError."""
    api = Api(url, email=email, password=password)
    api.register(name="Demo", workspace_name="Demo")
    # Access to /admin/, which the API cannot give.
    User.objects.filter(email=email).update(is_staff=True, is_superuser=True)
    # A rehearsal may ring its hundred numbers as often as it likes, also while an earlier one runs.
    api.patch(f"/workspaces/{api.get('/auth/me')['default_workspace_id']}", {"min_gap_minutes": 0})
    number = api.find("/phone-numbers", phone_number=DEMO_NUMBER)
    number = number or api.post("/phone-numbers", TRUNK)
    return DemoWorkspace(api, _published_agent(api), number["id"])


def credentials(file: Path) -> tuple[str, str]:
    """The demo user's e-mail address and password, generated the first time and then read from
    `file`.
    """
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(json.dumps({"email": DEMO_EMAIL, "password": secrets.token_urlsafe(18)}))
    stored = json.loads(file.read_text())
    return stored["email"], stored["password"]


def _published_agent(api: Api) -> str:
    agent = api.find("/agents", name=AGENT_NAME) or api.post("/agents", AGENT)
    if agent["published_version"] is None:
        api.post(f"/agents/{agent['id']}/publish")
    return str(agent["id"])
