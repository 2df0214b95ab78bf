"""Facts of enterprises of the lake at a moment: columns for many, `Facts` for one.

Columns are those of features/enterprise/facts.py under the names and kinds of the vocabulary: numbers float64, codes and texts
string, flags bool, dates date32; null where a fact is not known.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa

from features.enterprise import build
from features.enterprise.compute import columns_of
from features.enterprise.facts import FEATURES, facts_catalog, specs, texts
from features.enterprise.history import History, Published
from features.enterprise.kernel import DAY
from features.history import Ints
from features.view import View
from serving.underwriting.facts import VOCABULARY, Fact, FactKind, Facts, Value
from serving.underwriting.numbers import of_model

# A year of a fact is one of the windows that accidents are counted over: no accident in a year is a clean year.
YEAR_DAYS = 365.0
# Codes in the order of the numbers that features tell them by.
_CODES = {"standardisation": ("none", "3", "2", "1"), "credit": ("AA", "A", "B", "C", "bad")}
_TEXTS = ("industry", "process", "region")


def fact_columns(history: History, entity: Ints, as_of: Ints) -> pa.Table:
    """The facts of observations, one row each; entity: index into `history.ids`, or -1; as_of: microseconds."""
    found = columns_of(facts_catalog(), history, entity, as_of)
    known: dict[str, pa.Array] = dict(texts(history, entity, as_of))
    numbers = {name: found[feature] for name, feature in FEATURES.items()} | {
        spec.name: found[spec.name] for spec in specs() if not spec.hidden and spec.name in VOCABULARY
    }
    record = found["observed_days"]
    # Who was not on record yet was not seen to be clean.
    clean = np.minimum(found["accident_free_days"], record)
    numbers |= {"clean_years": np.floor(clean / YEAR_DAYS), "record_years": record / YEAR_DAYS}
    for name, kind in VOCABULARY.items():
        if name in known:
            continue
        if name == "founded":
            known[name] = _founded(found["founded_days"], as_of)
        elif name in numbers:
            known[name] = _typed(kind, numbers[name])
    return pa.table({name: known[name] for name in VOCABULARY if name in known})


def facts_of(view: View, ids: Sequence[str], as_of: Ints, shared: Mapping[str, Published] | None = None) -> pa.Table:
    """The facts of enterprises by id, one row each, each at its own moment (microseconds); null where one was not known yet."""
    history = build.history_of(view, sorted(set(ids)), shared)
    place = {name: at for at, name in enumerate(history.ids)}
    entity = np.array([place.get(one, -1) for one in ids], dtype=np.int64)
    return fact_columns(history, entity, np.asarray(as_of, dtype=np.int64))


def facts_at(
    columns: pa.Table, row: int, as_of: date, currency: str, names: Iterable[str] | None = None, *, evidence: str = ""
) -> Facts:
    """The facts of one row, those named or all; what is null is not known."""
    wanted = columns.column_names if names is None else [name for name in names if name in columns.column_names]
    known = {}
    for name in wanted:
        value = columns.column(name)[row].as_py()
        if value is not None:
            known[name] = Fact(name, value_of(VOCABULARY[name], value), evidence)
    return Facts(as_of, currency, known)


def value_of(kind: FactKind, value: float | str | bool | date) -> Value:
    """A column's value as a rulebook has it: whole numbers exactly, others to ten significant digits."""
    if isinstance(value, float):
        return Decimal(int(value)) if value.is_integer() else of_model(value)
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _typed(kind: FactKind, values: np.ndarray) -> pa.Array:
    missing = np.isnan(values)
    if kind.kind == "flag":
        return pa.array(values > 0.0, mask=missing)
    if kind.name in _CODES:
        codes = pa.array(_CODES[kind.name], pa.string())
        return codes.take(pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing))
    # More people may have come to a training than had to: no share of the required is above all of them.
    low, high = (None if bound is None else float(bound) for bound in (kind.least, kind.most))
    return pa.array(values if low is None and high is None else np.clip(values, low, high), pa.float64(), mask=missing)


def _founded(age_days: np.ndarray, as_of: Ints) -> pa.Array:
    missing = np.isnan(age_days)
    moment = as_of - np.rint(np.where(missing, 0.0, age_days * DAY)).astype(np.int64)
    return pa.array(moment.astype("datetime64[us]").astype("datetime64[D]"), pa.date32(), mask=missing)
