"""A few enterprises for the tests of their tables: rows in contract columns, sources of them, days of 2025."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from features.enterprise.schema import ENTERPRISES
from features.schema import TableContract
from features.sources.reader import Batch, Source
from tests.features.plant import Rows, batch

START = datetime(2025, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def firm(name: str, **more: Any) -> dict[str, Any]:
    return {"enterprise_id": name, "event_time": START, "industry": "mining", **more}


def period(name: str, first: float, last: float, amount: float | None = 1.0, **more: Any) -> dict[str, Any]:
    own = {"basis": "hours_worked", "starts": day(first), "amount": amount, **more}
    return {"enterprise_id": name, "event_time": day(last), **own}


def accident(name: str, on: float, **more: Any) -> dict[str, Any]:
    return {"enterprise_id": name, "event_time": day(on), "accident_id": "1", "deaths": 0, "injuries": 1, **more}


FIRMS = (ENTERPRISES, [firm("a"), firm("b", currency="USD")])


def source(*tables: tuple[TableContract, Rows], name: str = "firms") -> Source:
    def batches() -> Iterator[Batch]:
        for contract, rows in tables:
            yield batch(contract, rows)

    return Source(name, (), batches)
