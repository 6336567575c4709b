"""YAML as people write it, read into what JSON can hold, in time that grows with its length."""

from collections.abc import Mapping
from typing import Any

import yaml

from voiceops.core.errors import Invalid

MAX_YAML_DEPTH = 32


class _Loader(yaml.CSafeLoader):
    """YAML's plain types without timestamps: a date in a script is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def parse_yaml(text: str) -> Any:
    """Return the value of one YAML document.

    Raises Invalid, with line and column, for what is no YAML, and for what JSON cannot hold:
    aliases, tags, names that are no text, deep nesting.
    """
    try:
        _require_plain(text)
        value = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Invalid(
            f"The YAML cannot be read{place}: {error.problem or error.context}"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Invalid(f"The YAML cannot be read: {reason}") from error
    _require_text_names(value)
    return value


def _require_plain(text: str) -> None:
    """Check the events of a document, before anything is built of them.

    Raises Invalid, or YAMLError for what is no YAML.
    """
    depth = 0
    for event in yaml.parse(text, _Loader):
        mark = event.start_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "it"
        # An alias in an alias makes a long text of a short one.
        if isinstance(event, yaml.AliasEvent):
            raise Invalid(f"The YAML cannot be read in {place}: aliases are not accepted")
        if getattr(event, "tag", None) is not None:
            raise Invalid(f"The YAML cannot be read in {place}: tags are not accepted")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YAML_DEPTH:
            raise Invalid(f"The YAML cannot be read in {place}: it is nested too deeply")


def _require_text_names(value: Any) -> None:
    """Raises Invalid for a name that is no text, such as an unquoted `yes` or `1`."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, str):
                written = str(name).lower()
                raise Invalid(f"The YAML cannot be read: put the name {written} in quotes")
            _require_text_names(item)
    elif isinstance(value, list):
        for item in value:
            _require_text_names(item)
