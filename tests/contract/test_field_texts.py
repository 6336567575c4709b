"""Every field, type and query parameter of the document says what it is."""

from tests.contract.test_description import described
from voiceops.api.field_texts import FIELD_TEXTS, GENERAL_TEXTS, SAME_FIELDS, has_description
from voiceops.api.operations import registered


def test_every_field_says_what_it_is() -> None:
    schemas = described()["components"]["schemas"]

    silent = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, part in schema.get("properties", {}).items()
        if not has_description(part, schemas)
    ]

    assert silent == []


def test_every_parameter_says_what_it_is() -> None:
    silent = [
        f"{operation['operationId']}?{parameter['name']}"
        for methods in described()["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]

    assert silent == []


def test_every_text_is_used_and_none_is_registered_twice() -> None:
    schemas = described()["components"]["schemas"]
    tables = [GENERAL_TEXTS, *FIELD_TEXTS.all()]
    texts = {**GENERAL_TEXTS, **registered(FIELD_TEXTS)}
    shown = {schema.get("description") for schema in schemas.values()}
    for schema in schemas.values():
        shown |= {part.get("description") for part in schema.get("properties", {}).values()}
    for methods in described()["paths"].values():
        for operation in methods.values():
            shown |= {each.get("description") for each in operation.get("parameters", ())}

    assert sum(map(len, tables)) == len(texts)
    assert {key: text for key, text in texts.items() if text not in shown} == {}
    assert [name for name in registered(SAME_FIELDS).values() if name not in schemas] == []
