"""The row account of one import: every row that came in is accepted, corrected, duplicate or quarantined."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class TableCount:
    """Rows of one table: `rows_in` is always the sum of the other four, else ValueError."""

    rows_in: int = 0
    accepted: int = 0
    corrected: int = 0
    duplicate: int = 0
    quarantined: int = 0

    def __post_init__(self) -> None:
        parts = self.accepted + self.corrected + self.duplicate + self.quarantined
        if self.rows_in != parts:
            raise ValueError(f"row account does not balance: {self.rows_in} rows in, {parts} accounted for")

    def __add__(self, other: "TableCount") -> "TableCount":
        return TableCount(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(TableCount)))


@dataclass(frozen=True)
class RowAccount:
    """What became of the rows of one import, per table and in total; and what looks wrong about its files, a line each."""

    source: str
    imported_at: datetime
    tables: dict[str, TableCount]
    suspicions: tuple[str, ...] = ()

    @property
    def total(self) -> TableCount:
        return sum(self.tables.values(), TableCount())

    def document(self) -> dict[str, Any]:
        """The account as a JSON-ready dictionary."""
        return {
            "source": self.source,
            "imported_at": self.imported_at.isoformat(),
            "tables": {name: asdict(count) for name, count in self.tables.items()},
            "total": asdict(self.total),
            "suspicions": list(self.suspicions),
        }
