"""`make sbom`: the components of a release, read from the lock."""

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    """The bill of materials. The tool validates it against CycloneDX's schema, without network."""
    makefile = (ROOT / "Makefile").read_text()
    [arguments] = re.findall(r"-m (cyclonedx_py .*)", makefile)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::UserWarning", "-m", *arguments.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_pinned_package_is_a_component(bill: dict[str, Any]) -> None:
    pinned = PINNED.findall((ROOT / "requirements.txt").read_text())

    listed = [(each["name"], each["version"]) for each in bill["components"]]

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "voiceops"
    assert sorted(listed) == sorted(pinned)
    versions = dict(listed)
    assert (versions["django"], versions["celery"]) == (version("django"), version("celery"))


def test_every_component_has_a_package_url_and_the_hashes_of_the_lock(bill: dict[str, Any]) -> None:
    lock = (ROOT / "requirements.txt").read_text()

    for component in bill["components"]:
        package_url = f"pkg:pypi/{component['name']}@{component['version']}"
        hashes = [
            each["content"]
            for reference in component["externalReferences"]
            for each in reference["hashes"]
        ]
        assert component["purl"].partition("?")[0] == package_url
        assert hashes
        assert all(f"--hash=sha256:{digest}" in lock for digest in hashes)
