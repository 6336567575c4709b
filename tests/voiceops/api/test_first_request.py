import logging

import pytest
from django.core.handlers.wsgi import WSGIHandler
from pytest_django import DjangoAssertNumQueries, Settings

from voiceops.api.first_request import answer_first_request


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("hosts", "status"), [(["testserver"], "401 Unauthorized"), (["other"], "400 Bad Request")]
)
def test_the_first_request_reaches_neither_the_database_nor_the_log(
    hosts: list[str],
    status: str,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://testserver", hosts
    caplog.set_level(logging.INFO)

    with django_assert_num_queries(0):
        assert answer_first_request(WSGIHandler()) == status

    assert [record.getMessage() for record in caplog.records if record.levelno < 30] == []
    assert logging.root.manager.disable == logging.NOTSET
