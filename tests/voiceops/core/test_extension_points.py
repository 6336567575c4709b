import pytest

from voiceops.core.extension_points import ExtensionPoint, MissingExtensionError


def test_extensions_are_returned_in_the_order_they_were_registered() -> None:
    point: ExtensionPoint[str] = ExtensionPoint("letters of the alphabet")

    point.register("b")
    point.register("a")

    assert point.all() == ("b", "a")


def test_registering_twice_changes_nothing() -> None:
    point: ExtensionPoint[str] = ExtensionPoint("pages")

    point.register("live")
    point.register("live")

    assert point.all() == ("live",)
    assert point.get() == "live"


def test_reading_an_empty_point_is_an_error_that_names_it() -> None:
    point: ExtensionPoint[str] = ExtensionPoint("suppression checks")

    with pytest.raises(MissingExtensionError, match="Nothing is registered as suppression checks"):
        point.all()
    with pytest.raises(MissingExtensionError, match="suppression checks"):
        point.get()


def test_get_refuses_to_choose_among_several() -> None:
    point: ExtensionPoint[str] = ExtensionPoint("pages")
    point.register("a")
    point.register("b")

    with pytest.raises(MissingExtensionError, match="2 are registered as pages, not one"):
        point.get()
