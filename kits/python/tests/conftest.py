from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation, register, running
from voiceops import VoiceOps


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation, the same for all tests."""
    with running(tmp_path_factory.mktemp("installation")) as url:
        yield register(url)


@pytest.fixture
def voiceops(installation: Installation) -> Iterator[VoiceOps]:
    with VoiceOps(installation.url, api_key=installation.api_key) as client:
        yield client


@pytest.fixture
def list_file(tmp_path: Path) -> Path:
    """A list of three: one answers, one lets it ring, one is busy."""
    file = tmp_path / "people.csv"
    file.write_text("phone,name\n+12025550100,Ada\n+12025550160,Grace\n+12025550170,Alan\n")
    return file
