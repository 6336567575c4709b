"""What a release is made of, as CycloneDX 1.6: `python ops/sbom.py > sbom.json`. Needs nothing
installed.

Read from the lock, which says what is installed to the letter; scanners match the package URLs
against known holes.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE
)
VERSION = re.compile(r'^version = "([^"]+)"', re.MULTILINE)


def components(lock: str) -> list[dict[str, Any]]:
    """The packages of a compiled `requirements.txt`, in its order; those of other platforms too."""
    return [
        {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
        for name, version in PINNED.findall(lock)
        for purl in [f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"]
    ]


def bill() -> dict[str, Any]:
    found = components((ROOT / "requirements.txt").read_text())
    version = VERSION.findall((ROOT / "pyproject.toml").read_text())[0]
    us = {"type": "application", "bom-ref": "voiceops", "name": "voiceops", "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": us},
        "components": found,
        "dependencies": [{"ref": "voiceops", "dependsOn": [each["bom-ref"] for each in found]}],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bill(), indent=2) + "\n")
