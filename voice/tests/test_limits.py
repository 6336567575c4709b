from collections.abc import Callable

from voice.agent_config import AgentConfig
from voice.conversation.limits import Due, Limits

Config = Callable[..., AgentConfig]


def test_a_call_ends_at_its_maximum_duration_whatever_happens(config: Config) -> None:
    limits = Limits.begin(config(max_call_duration_seconds=60), 0.0)
    limits.touch(59.0)
    limits.pause()

    assert limits.due(59.9) is None
    assert limits.due(60.0) is Due.END_LONG


def test_silence_ends_a_call_and_words_begin_it_again(config: Config) -> None:
    limits = Limits.begin(config(silence_timeout_seconds=20), 0.0)

    assert limits.due(19.0) is None
    limits.touch(19.0)
    assert limits.due(38.0) is None
    assert limits.due(39.0) is Due.END_SILENT


def test_reminders_come_once_each_and_do_not_count_as_words(config: Config) -> None:
    silence = {"remind_after_seconds": 5, "reminders": 2}
    limits = Limits.begin(config(silence_timeout_seconds=20, silence=silence), 0.0)

    assert limits.due(5.0) is Due.REMIND
    limits.pause()
    limits.resume(6.0, is_reminder=True)
    assert limits.due(6.0) is None
    assert limits.due(10.0) is Due.REMIND
    assert limits.due(15.0) is None
    assert limits.due(20.0) is Due.END_SILENT


def test_a_long_tool_is_no_silence(config: Config) -> None:
    limits = Limits.begin(config(silence_timeout_seconds=20), 0.0)
    limits.pause()

    assert limits.due(100.0) is None
    limits.resume(100.0)
    assert limits.due(119.0) is None
    assert limits.due(120.0) is Due.END_SILENT


def test_without_reminders_there_are_none(config: Config) -> None:
    limits = Limits.begin(config(silence_timeout_seconds=1000, max_call_duration_seconds=2000), 0.0)

    assert limits.due(999.0) is None
