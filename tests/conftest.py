import pytest

from accounts.models import Workspace
from tests import make


@pytest.fixture
def ours(db: None) -> Workspace:
    return make.workspace(name="Ours")


@pytest.fixture
def theirs(db: None) -> Workspace:
    return make.workspace(name="Theirs")
