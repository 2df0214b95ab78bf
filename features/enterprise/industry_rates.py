"""The dated table `industry_rates`: what was known of the accidents of industries, processes, regions and all enterprises.

A row of the first of a month D (00:00 UTC, both its clocks) and a group holds, of the rows visible at D:

enterprises             how many were known
accidents, exposure     over (D - 1095 d, D], of those that told their exposure (features/enterprise/exposure.py)
rate                    accidents per worker-year, drawn to the wider group's (process -> industry -> all, region -> all) as if
                        K accidents had come at its rate
relativity              accidents against what the processes of its enterprises let expect, drawn to 1 by K accidents
recent                  the same for (D - 365 d, D] against the group's own rate
deaths, loss            per accident (loss: in CNY, where it is known), drawn to the wider group's by K accidents
size                    mean worker-years a year of the enterprises that told them, else the wider group's
shape                   a of the gamma distribution of risk between enterprises by moments: sum(mu^2) / sum((n - mu)^2 - mu)
                        (Klugman, Panjer, Willmot, Loss Models, empirical Bayes), in SHAPES; below FEWEST accidents the wider's
rows_known              rows of the tables it is made of with known_from <= D

An enterprise belongs to groups by its row visible at D, and is added up in a fixed order, bucket by bucket and by id. So a row
is a function of what was known at D. As long as nobody has told any exposure the numbers are missing; a group without
enterprises has no row.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import in_order
from features.enterprise import exposure
from features.enterprise.catalog import Catalog
from features.enterprise.compute import columns_of
from features.enterprise.history import History
from features.enterprise.published import ALL, INDUSTRY_RATES, REGION
from features.enterprise.spec import EnterpriseSpec, days
from features.history import Ints
from features.kernel import version_at
from features.schema import TIME

VERSION = 1
K, FEWEST, SHAPES = 5.0, 30.0, (0.5, 20.0)
# Where too little is known of how enterprises differ.
SHAPE = 2.0
TABLES = ("enterprises", "exposures", "accidents", "policies")
LEVELS = ("all", "industry", "process", "region")
Floats = npt.NDArray[np.float64]

# What is asked of each enterprise: its own exposure, and its accidents.
_THREE, _ONE = days(1095), days(365)
_WANTED = Catalog(
    (
        *exposure.own(),
        EnterpriseSpec("n", "", "accidents", "count", window_hours=_THREE),
        EnterpriseSpec("n1", "", "accidents", "count", window_hours=_ONE),
        EnterpriseSpec("deaths", "", "accidents", "sum", "deaths", window_hours=_THREE),
        EnterpriseSpec("loss", "", "accidents", "sum", "direct_loss", window_hours=_THREE),
        EnterpriseSpec("losses", "", "accidents", "count", select="loss_known", window_hours=_THREE),
        EnterpriseSpec("foreign", "", "enterprises", "last", "other_currency"),
    )
)
_NUMBERS = {"e": "_own_1095d", "e1": "_own_365d", "size": "_own_per_year", "n": "n", "n1": "n1", "deaths": "deaths"}


@dataclass
class Rates:
    """The rows of some months, as enterprises are added in a fixed order. months: microseconds."""

    months: Ints
    names: dict[str, int] = field(default_factory=lambda: {ALL: 0})
    known: Ints = field(init=False)
    _told: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = np.zeros(len(self.months), dtype=np.int64)

    def add(self, history: History) -> None:
        """Add the enterprises of a history in the order of their ids."""
        for name in TABLES:
            self.known += np.searchsorted(np.sort(history.series[name].known_from), self.months, side="right")
        entity = np.repeat(np.arange(len(history.ids), dtype=np.int64), len(self.months))
        month = np.tile(np.arange(len(self.months), dtype=np.int64), len(history.ids))
        versions, version = history.series["enterprises"], np.empty(len(month), dtype=np.int64)
        version_at(versions.offsets, versions.known_from, versions.known_to, entity, self.months[month], version)
        entity, month, version = (values[version >= 0] for values in (entity, month, version))
        found = columns_of(_WANTED, history, entity, self.months[month])
        told = ~np.isnan(found["_own_1095d"])
        numbers = {name: np.where(told, found[column], 0.0) for name, column in _NUMBERS.items()}
        in_cny = told & (found["foreign"] == 0.0)
        numbers |= {name: np.where(in_cny, found[name], 0.0) for name in ("loss", "losses")}
        places = {level: self._places(history.belongs[level])[version] for level in LEVELS}
        # Without a process an enterprise stands in its industry alone.
        places["process"] = np.where(places["process"] == places["industry"], -1, places["process"])
        self._told.append({"month": month, "told": told, **numbers, **places})

    def _places(self, names: pa.Array) -> Ints:
        """The place of each name, -1 for null; new ones are given the next."""
        for name in pc.unique(names).to_pylist():
            if name is not None:
                self.names.setdefault(name, len(self.names))
        place = pc.index_in(names, value_set=pa.array(list(self.names), pa.string()))
        return np.array(pc.fill_null(place, -1), dtype=np.int64)

    def table(self) -> pa.Table:
        """The rows of all months, in contract order."""
        if not self._told:
            return INDUSTRY_RATES.arrow.empty_table()
        told = {name: np.concatenate([one[name] for one in self._told]) for name in self._told[0]}
        found = _Grouped(told, len(self.months), list(self.names)).rates()
        month, group = np.nonzero(found["enterprises"] > 0)
        moment = pa.array(self.months[month]).cast(TIME)
        columns = {
            INDUSTRY_RATES.entity: pa.array(list(self.names), pa.string()).take(pa.array(group)),
            "event_time": moment,
            "recorded_at": moment,
            **{name: pa.array(values[month, group], pa.float64(), from_pandas=True) for name, values in found.items()},
            "rows_known": pa.array(self.known[month]),
        }
        schema = INDUSTRY_RATES.arrow
        return in_order(pa.table([columns[name] for name in schema.names], schema=schema), INDUSTRY_RATES)


@dataclass(frozen=True)
class _Grouped:
    """Observations of enterprises (month by month) as sums over groups, float64[months, groups]."""

    told: dict[str, npt.NDArray[Any]]
    months: int
    names: list[str]

    def total(self, numbers: Floats) -> Floats:
        """Sum over each month's and group's enterprises, one after the other."""
        found = np.zeros((self.months, len(self.names)))
        for level in LEVELS:
            place, month = self.told[level], self.told["month"]
            mine = place >= 0
            cell = month[mine] * len(self.names) + place[mine]
            # A group stands on one level alone, so that nothing is added to what another level has summed up.
            found += np.bincount(cell, numbers[mine], minlength=found.size).reshape(found.shape)
        return found

    def drawn(self, count: Floats, of: Floats, widest: Floats) -> Floats:
        """(count + K) / (of + K / wider rate), group by group; `widest` is that of all enterprises."""
        found = np.empty_like(count)
        found[:, 0] = widest
        for place in self.narrowing():
            found[:, place] = (count[:, place] + K) / (of[:, place] + K / found[:, self.wider(place)])
        return found

    def narrowing(self) -> list[int]:
        """The groups but the widest, each after the one that it is drawn to."""
        return sorted(range(1, len(self.names)), key=lambda place: "/" in self.names[place])

    def wider(self, place: int) -> int:
        industry, slash, _ = self.names[place].partition("/")
        return self.names.index(industry) if slash and not industry.startswith(REGION) else 0

    def rates(self) -> dict[str, Floats]:
        """The numbers of the table."""
        told = self.told
        n, e, n1, e1 = (self.total(told[name]) for name in ("n", "e", "n1", "e1"))
        counted = self.total(told["told"].astype(np.float64))
        some = e[:, 0] > 0.0
        # Half an accident where none has come yet: a rate of 0 would be a certainty.
        rate = self.drawn(n, e, np.where(some, np.maximum(n[:, 0], 0.5) / np.where(some, e[:, 0], 1.0), np.nan))
        month, process, industry = (told[name] for name in ("month", "process", "industry"))
        mu = told["e"] * rate[month, np.where(process >= 0, process, industry)]
        mu = np.where(np.isnan(mu), 0.0, mu)
        rests, squares = self.total((told["n"] - mu) ** 2 - mu), self.total(mu**2)
        shape = np.where(rests > 0.0, np.clip(squares / np.where(rests > 0.0, rests, 1.0), *SHAPES), SHAPES[1])
        shape[:, 0] = np.where(n[:, 0] < FEWEST, SHAPE, shape[:, 0])
        size = self.total(told["size"]) / np.where(counted > 0.0, counted, np.nan)
        for place in self.narrowing():
            few, wider = n[:, place] < FEWEST, self.wider(place)
            shape[:, place] = np.where(few, shape[:, wider], shape[:, place])
            size[:, place] = np.where(np.isnan(size[:, place]), size[:, wider], size[:, place])
        losses = self.total(told["losses"])
        found = {
            "rate": rate,
            "relativity": (n + K) / (self.total(mu) + K),
            "recent": (n1 + K) / (rate * e1 + K),
            "deaths": self._per_accident(self.total(told["deaths"]), n),
            "loss": self._per_accident(self.total(told["loss"]), losses),
            "size": size,
            "shape": shape,
        }
        found = {name: np.where(some[:, None], values, np.nan) for name, values in found.items()}
        return {**found, "exposure": e, "accidents": n, "enterprises": self.total(np.ones(len(told["month"])))}

    def _per_accident(self, amount: Floats, count: Floats) -> Floats:
        found = np.empty_like(amount)
        found[:, 0] = amount[:, 0] / np.maximum(count[:, 0], 1.0)
        for place in self.narrowing():
            found[:, place] = (amount[:, place] + K * found[:, self.wider(place)]) / (count[:, place] + K)
        return found
