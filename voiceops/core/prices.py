"""What a call's models and its carrier cost, by the dated table in `prices.toml`.

Amounts are kept as whole millionths of the table's currency, so that sums over calls are exact.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PRICES_FILE = Path(__file__).with_name("prices.toml")
MILLION = 1_000_000
# A dated release of a model, as its provider appends it.
DATED_RELEASE = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})")
ANY_MODEL = "*"
CARRIER_KIND = "carrier"
# A price for a million of these is as many millionths for one.
TOKENS_AND_CHARACTERS = ("input_tokens", "output_tokens", "characters")


class PriceTable(NamedTuple):
    """Prices by (kind, provider), each by model; the names in lower case."""

    currency: str
    dated: date
    prices: Mapping[tuple[str, str], Mapping[str, Mapping[str, float]]]


@cache
def price_table() -> PriceTable:
    """Return the table of the file."""
    with PRICES_FILE.open("rb") as file:
        content = tomllib.load(file)
    prices: dict[tuple[str, str], dict[str, Mapping[str, float]]] = {}
    for entry in content["price"]:
        models = {item["model"].lower(): item for item in entry["models"]}
        for provider in entry["providers"]:
            prices.setdefault((entry["kind"], provider.lower()), {}).update(models)
    return PriceTable(content["currency"], content["dated"], prices)


def currency() -> str:
    """Return the currency in which costs are counted and budgets are set."""
    return price_table().currency


def limit_micros(limit: float | Mapping[str, Any] | None) -> int | None:
    """Return a budget in millionths; it is kept as it was written: a number, or with currency."""
    amount = limit["amount"] if isinstance(limit, Mapping) else limit
    return None if amount is None else round(amount * MILLION)


def in_words(micros: int) -> str:
    """Return an amount with its currency, for a sentence: to the cent, or in full below one."""
    amount = micros / MILLION
    is_small = 0 < micros < MILLION // 100
    return f"{f'{amount:.6f}'.rstrip('0') if is_small else f'{amount:,.2f}'} {currency()}"


def price_items(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return items of usage with their `cost` in the table's currency; None without a price."""
    return [{**item, "cost": _amount(cost_of(item))} for item in items]


def total_micros(items: Iterable[Mapping[str, Any]]) -> int | None:
    """Return what the priced items cost together, in millionths; None when none has a price."""
    costs = [cost for item in items if (cost := cost_of(item)) is not None]
    return sum(costs) if costs else None


def cost_of(item: Mapping[str, Any]) -> int | None:
    """Return what one item costs, in millionths of the table's currency; None without a price."""
    price = _find_price(item)
    if price is None:
        return None
    charged: float = sum(price.get(name, 0.0) * item.get(name, 0) for name in TOKENS_AND_CHARACTERS)
    charged += price.get("minutes", 0.0) * MILLION * item.get("seconds", 0) / 60
    return round(charged)


def carrier_item(carrier: str, number: str, seconds: float) -> dict[str, Any] | None:
    """Return a call's minutes as an item of usage, whose model is the priced prefix of the number.

    `carrier` is the host of a trunk, or a provider. None where the table has no price for it.
    """
    prefixes = price_table().prices.get((CARRIER_KIND, carrier.lower()), {})
    fitting = [prefix for prefix in prefixes if prefix == ANY_MODEL or number.startswith(prefix)]
    if not fitting:
        return None
    # The longest, as carriers price numbers; any number is shorter than every prefix.
    prefix = max(fitting, key=lambda each: (each != ANY_MODEL, len(each)))
    return {"kind": CARRIER_KIND, "provider": carrier, "model": prefix, "seconds": seconds}


def has_carrier_prices() -> bool:
    """Return whether the table has the price of any carrier's minutes."""
    return any(kind == CARRIER_KIND for kind, _ in price_table().prices)


def unpriced_names(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the items that have no price, by provider and model."""
    return [
        f"{item['provider']} {item['model']}".strip() for item in items if cost_of(item) is None
    ]


def describe_unpriced(names: Sequence[str]) -> str:
    """Return items without a price in words: "acme one, which has no price"."""
    *others, last = names
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"{listed}, which {'have' if others else 'has'} no price"


def describe_amount(micros: int) -> dict[str, Any]:
    """Return millionths as the API's `{amount, currency}`."""
    return {"amount": micros / MILLION, "currency": currency()}


def _find_price(item: Mapping[str, Any]) -> Mapping[str, float] | None:
    kind, provider, model = (
        str(item.get(name, "")).lower() for name in ("kind", "provider", "model")
    )
    models = price_table().prices.get((kind, provider), {})
    return models.get(model) or models.get(DATED_RELEASE.sub("", model)) or models.get(ANY_MODEL)


def _amount(micros: int | None) -> float | None:
    return None if micros is None else micros / MILLION
