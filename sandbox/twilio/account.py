"""What the Twilio account owns: rows in the store, in the shape of Twilio's resources."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from sandbox.ids import new_twilio_sid
from sandbox.store import Row, Store
from sandbox.twilio.errors import TwilioError, not_found

ACCOUNT = "twilio_account"
NUMBERS = "twilio_numbers"
CREDENTIAL_LISTS = "twilio_credential_lists"
CREDENTIALS = "twilio_credentials"
TRUNKS = "twilio_trunks"
ORIGINATION_URLS = "twilio_origination_urls"
TRUNK_CREDENTIAL_LISTS = "twilio_trunk_credential_lists"
DOMAINS = "twilio_domains"  # every one ever used, because a domain outlives its trunk
TABLES_OF_2010_API = (NUMBERS, CREDENTIAL_LISTS, CREDENTIALS)  # their dates are those of e-mails
PRICES_USD = {"Local": 1.15, "TollFree": 2.15, "Mobile": 1.15}
START_BALANCE_USD = 100.0


@dataclass
class Account:
    """The resources of the account by table. `balance` is in USD."""

    store: Store
    sid: str

    @property
    def balance(self) -> float:
        return float(self.store.table(ACCOUNT).get("balance", {}).get("amount", START_BALANCE_USD))

    @balance.setter
    def balance(self, amount: float) -> None:
        self.store.put(ACCOUNT, "balance", {"amount": round(amount, 2)})

    def rows(self, table: str, **match: Any) -> list[Row]:
        """Return the rows that match, in order of creation."""
        return [row for row in self.store.table(table).values() if _matches(row, match)]

    def get(self, table: str, sid: str, path: str, **match: Any) -> Row:
        """Return a row. Raises TwilioError, with `path` in it, when it does not exist."""
        row = self.store.table(table).get(sid)
        if row is None or not _matches(row, match):
            raise not_found(path)
        return row

    def add(self, table: str, prefix: str, **values: Any) -> Row:
        """Create a row with a new sid that begins with `prefix`."""
        now = datetime.now(UTC)
        sid = values.pop("sid", None) or new_twilio_sid(prefix)
        row = {
            "sid": sid,
            "account_sid": self.sid,
            **values,
            "date_created": iso_date(now),
            "date_updated": iso_date(now),
        }
        if table in TABLES_OF_2010_API:
            row |= {"date_created": format_datetime(now), "date_updated": format_datetime(now)}
        self.store.put(table, sid, row)
        return row

    def update(self, table: str, row: Row, **values: Any) -> Row:
        changed = {**row, **values}
        self.store.put(table, row["sid"], changed)
        return changed

    def delete(self, table: str, row: Row) -> None:
        self.store.delete(table, row["sid"])

    def reserve_domain(self, domain: str) -> None:
        """Reserve a termination domain.

        Raises TwilioError when it is or was in use; Twilio keeps used ones reserved for 30 days.
        """
        # The 30 days are not played: a used domain stays reserved.
        if domain in self.store.table(DOMAINS):
            raise TwilioError(400, 21248, "Trunk Domain already taken")
        self.store.put(DOMAINS, domain, {"domain": domain})


def _matches(row: Row, match: dict[str, Any]) -> bool:
    return all(row.get(key) == value for key, value in match.items())


def iso_date(at: datetime) -> str:
    """Format a date as the v1 API does."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
