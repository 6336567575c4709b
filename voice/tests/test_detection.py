import pytest

from voice.conversation.detection import Detector


def detect(text: str, *, quiet: float = 1.0, spoke: float = 1.5) -> tuple[str, str] | None:
    detector = Detector(0.0)
    detector.hear_activity(is_speaking=True, now=0.2)
    detector.hear_activity(is_speaking=False, now=spoke)
    if text:
        detector.hear_words(text, spoke)
    found = detector.verdict(spoke + quiet)
    return (found.kind, found.reason) if found else None


@pytest.mark.parametrize(
    "text",
    [
        "Please leave a message after the tone.",
        "You have reached the office of Doctor Smith.",
        "Hi, you've reached Bob, I can't come to the phone right now",
        "The person you are calling is not available.",
        "Your call has been forwarded to an automated voice mail system.",
        "Please record your message, and we will get back to you",
    ],
)
def test_machines_are_recognised_by_their_words(text: str) -> None:
    assert detect(text, quiet=0.0) == ("machine", "greeting")


@pytest.mark.parametrize(
    "text",
    [
        "Hi, if you record your name and reason for calling, I'll see if they are available.",
        "The number you called is using a call screening service. Who is calling and why?",
    ],
)
def test_screeners_are_not_mistaken_for_machines(text: str) -> None:
    assert detect(text, quiet=0.0) == ("screened", "screening")


def test_a_menu_is_a_machine_that_waits_for_keys() -> None:
    assert detect("For sales, press one.", quiet=0.0) == ("machine", "menu")


@pytest.mark.parametrize("text", ["Hello?", "Yes, this is Maria.", "Smith and Sons"])
def test_a_short_greeting_followed_by_silence_is_a_human(text: str) -> None:
    assert detect(text, quiet=0.4) is None
    assert detect(text, quiet=0.5) == ("human", "short greeting")


def test_a_long_greeting_that_asks_something_is_a_human() -> None:
    text = "Good morning, thank you for calling Smith and Sons, this is Anna, how can I help you?"

    assert detect(text, quiet=0.5) == ("human", "short greeting")


def test_a_long_greeting_that_asks_nothing_stays_open_for_a_moment() -> None:
    text = "Good morning and thank you for calling Smith and Sons of Springfield Ohio today"

    assert detect(text, quiet=1.0) is None
    assert detect(text, quiet=1.2) == ("uncertain", "long greeting")


def test_a_silent_callee_is_uncertain_after_three_seconds() -> None:
    detector = Detector(10.0)

    assert detector.verdict(12.9) is None
    found = detector.verdict(13.0)
    assert found is not None
    assert (found.kind, found.reason, found.seconds) == ("uncertain", "silence", 3.0)


def test_sounds_without_words_are_uncertain_in_the_end() -> None:
    detector = Detector(0.0)
    detector.hear_activity(is_speaking=True, now=0.5)

    assert detector.verdict(7.9) is None
    found = detector.verdict(8.0)
    assert found is not None
    assert found.reason == "no words"


def test_a_pause_inside_a_greeting_does_not_make_it_a_human() -> None:
    detector = Detector(0.0)
    detector.hear_words("Hi there", 1.0)
    detector.hear_activity(is_speaking=True, now=1.3)
    detector.hear_words("leave me a message", 3.0)

    found = detector.verdict(3.0)
    assert found is not None
    assert found.kind == "machine"
