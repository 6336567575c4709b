"""What the images of `Dockerfile` have, by the services of `compose.yaml` that run them."""

import re

import yaml
from django.conf import settings

from agents.rehearsing.voice_program import VOICE_PYTHON

STAGE = re.compile(r"^FROM (\S+)(?: AS (\S+))?\n(.*?)(?=^FROM |\Z)", re.MULTILINE | re.DOTALL)


def test_the_worker_of_compose_can_rehearse_agents_and_the_web_server_need_not() -> None:
    text = (settings.BASE_DIR / "Dockerfile").read_text()
    stages = {name or "the last": (base, body) for base, name, body in STAGE.findall(text)}
    services = yaml.safe_load((settings.BASE_DIR / "compose.yaml").read_text())["services"]
    folder = f"/app/{VOICE_PYTHON.relative_to(settings.BASE_DIR).parts[0]}"

    assert services["worker"]["build"]["target"] == "worker"
    assert services["worker"]["image"] != services["web"]["image"]
    assert services["web"]["build"] == "."
    base, body = stages["worker"]
    assert f"COPY --from=voice-build {folder} {folder}\n" in body
    # What follows is nothing but the control plane, and is what `docker build` makes.
    assert (base, stages["the last"]) == ("control-plane", ("control-plane", ""))
    assert body.rstrip().endswith("USER voiceops")
