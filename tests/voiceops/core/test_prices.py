from datetime import date
from typing import Any

import pytest

from voiceops.core.prices import (
    cost_of,
    in_words,
    limit_micros,
    price_items,
    price_table,
    total_micros,
)

LLM = {"kind": "llm", "provider": "openai", "model": "gpt-4.1"}


@pytest.mark.parametrize(
    ("item", "micros"),
    [
        # 2 dollars a million tokens read, 8 a million written
        ({**LLM, "input_tokens": 1000, "output_tokens": 100}, 2800),
        ({**LLM, "provider": "api.openai.com", "input_tokens": 1}, 2),
        ({**LLM, "model": "gpt-4.1-2025-04-14", "input_tokens": 1000}, 2000),
        ({**LLM, "model": "GPT-4.1-mini", "input_tokens": 1000}, 400),
        ({"kind": "stt", "provider": "Deepgram", "model": "nova-3", "seconds": 30}, 3850),
        ({"kind": "tts", "provider": "openai", "model": "tts-1", "characters": 200}, 3000),
        ({"kind": "tts", "provider": "local", "model": "hibari", "characters": 200}, 0),
        ({**LLM}, 0),
        ({**LLM, "model": "gpt-4.1-turbo", "input_tokens": 1000}, None),
        ({**LLM, "provider": "somebody", "input_tokens": 1000}, None),
        ({**LLM, "kind": "tts", "characters": 1000}, None),
    ],
)
def test_item_costs_what_the_table_says(item: dict[str, Any], micros: int | None) -> None:
    assert cost_of(item) == micros


def test_total_is_of_the_items_with_a_price() -> None:
    priced, unknown = {**LLM, "input_tokens": 1000}, {**LLM, "model": "?", "input_tokens": 5}

    assert (total_micros([priced, unknown, priced]), total_micros([unknown])) == (4000, None)
    assert price_items([priced, unknown]) == [{**priced, "cost": 0.002}, {**unknown, "cost": None}]


def test_every_price_has_a_kind_and_a_unit_of_the_reports() -> None:
    table = price_table()
    units = {
        (kind, unit)
        for (kind, _), models in table.prices.items()
        for price in models.values()
        for unit in price.keys() - {"model"}
    }

    assert (table.currency, isinstance(table.dated, date)) == ("USD", True)
    assert units == {
        ("llm", "input_tokens"),
        ("llm", "output_tokens"),
        ("stt", "minutes"),
        ("tts", "characters"),
    }


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "0.00 USD"),
        (12_500_000, "12.50 USD"),
        (1_234_500_000, "1,234.50 USD"),
        (403, "0.000403 USD"),
    ],
)
def test_an_amount_in_words(micros: int, words: str) -> None:
    assert in_words(micros) == words


@pytest.mark.parametrize("limit", [0.1, {"amount": 0.1}, {"amount": 0.1, "currency": "USD"}])
def test_a_budget_may_name_its_currency(limit: Any) -> None:
    assert limit_micros(limit) == 100_000
    assert limit_micros(None) is None
