import pytest
from django.test import Client

from tests import make


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(make.user(is_staff=True, is_superuser=True))
    return client
