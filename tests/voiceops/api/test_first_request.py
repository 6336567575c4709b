import logging

import pytest
from django.core.handlers.wsgi import WSGIHandler
from pytest_django import Settings

from voiceops.api.first_request import answer_first_request


@pytest.mark.parametrize(
    ("hosts", "status"), [(["testserver"], "401 Unauthorized"), (["other"], "400 Bad Request")]
)
def test_the_first_request_reaches_neither_the_database_nor_the_log(
    hosts: list[str], status: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://testserver", hosts
    caplog.set_level(logging.INFO)

    # Without the database's fixture, a query would fail.
    assert answer_first_request(WSGIHandler()) == status

    assert [record.getMessage() for record in caplog.records if record.levelno < 30] == []
    assert logging.root.manager.disable == logging.NOTSET
