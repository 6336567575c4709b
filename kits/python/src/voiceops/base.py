"""The base of every model that the API answers with."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, create_model, model_validator

from voiceops.errors import FieldAbsent

# A time in a request: one with its zone, or text in ISO 8601.
Moment = datetime | str
# What decides how the rest is read. Every server sends it.
NEVER_ABSENT = frozenset({"id", "type"})


class Model(BaseModel):
    """An answer. `to_json` gives the API's own names.

    Fields that a newer server adds are kept. Those that an older one does not have yet are
    absent: to read one raises FieldAbsent (an AttributeError), and all others can be read.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())

    def to_json(self, *, indent: int | None = None) -> str:
        return self.model_dump_json(by_alias=True, indent=indent)

    @model_validator(mode="wrap")
    @classmethod
    def _read_without_absent(cls, data: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        absent = _absent_fields(cls, data) if isinstance(data, Mapping) else frozenset()
        if not absent:
            return read(data)
        found = _without(cls, absent).model_validate(data)
        names = found.model_fields_set
        return cls.model_construct(names, **{name: getattr(found, name) for name in names})

    # Hidden from type checkers, which would accept every name.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise FieldAbsent(type(self).__name__, name)
            return super().__getattr__(name)


def _absent_fields(model: type[Model], data: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields that an older server has left out. None, if it is another type's object."""
    required = _required_fields(model)
    absent = frozenset(
        name for name, alias in required.items() if name not in data and alias not in data
    )
    return frozenset() if absent & NEVER_ABSENT or len(absent) == len(required) else absent


@cache
def _required_fields(model: type[Model]) -> dict[str, str]:
    """Return the names of the fields that must be given, with the API's own names."""
    return {
        name: field.alias or name
        for name, field in model.model_fields.items()
        if field.is_required()
    }


@cache
def _without(model: type[Model], absent: frozenset[str]) -> type[Model]:
    """Return a type that reads the object without these fields."""
    optional: dict[str, Any] = dict.fromkeys(absent, (Any, None))
    return create_model(model.__name__, __base__=model, **optional)
