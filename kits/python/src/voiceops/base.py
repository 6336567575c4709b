"""The base of every model that the API answers with."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

# A time in a request: one with its zone, or text in ISO 8601.
Moment = datetime | str


class Model(BaseModel):
    """An answer. Fields that a newer server adds are kept. `to_json` gives the API's own names."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())

    def to_json(self, *, indent: int | None = None) -> str:
        return self.model_dump_json(by_alias=True, indent=indent)
