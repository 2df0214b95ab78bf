"""What the lake knows of a book's enterprises, each on the day of its policy: facts beside those of the sheet, and features."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import engine
from features.enterprise.build import ENTERPRISES_AT_A_TIME, groups_of, history_of
from features.enterprise.catalog import catalog
from features.enterprise.compute import compute
from features.enterprise.consent import consented
from features.enterprise.history import History, Published
from features.errors import BadInput
from features.lake import Lake
from features.schema import ENTERPRISE
from features.settings import Settings
from features.view import View
from serving.pricing.enterprise_facts import fact_columns, value_of
from serving.pricing.prospect_rows import features_of
from serving.underwriting.facts import VOCABULARY, FactKind

Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
_DAY_MICROS = 86_400_000_000
_PROSPECTS = 4_000  # whose rows are made at a time
_MOST_FAULTS = 20


@dataclass(frozen=True)
class Known:
    """The m policies whose enterprise the lake knew on their day. rows: their places in the book; facts: [m] columns; x:
    features [m, f]; withheld: of the places, those that had not consented to being scored."""

    rows: Ints
    facts: pa.Table
    x: Vectors
    withheld: Ints


def view_of(config: Settings) -> View | None:
    """The lake as it is now; None where there is none."""
    return Lake.open(config.lake).at() if (config.lake / "lake.json").exists() else None


def known(view: View | None, policies: pa.Table, *, features: bool) -> Known | None:
    """What the lake knew of the policies' enterprises on their day (`as_of`); None where it knows none of them.

    An enterprise that it does not know, or did not know then, is a prospect.
    """
    if view is None or ENTERPRISE not in policies.column_names:
        return None
    named = policies.column(ENTERPRISE).to_pylist()
    there = set(view.read("enterprises", columns=[ENTERPRISE]).column(ENTERPRISE).cast(pa.string()).to_pylist())
    rows = np.array([place for place, name in enumerate(named) if name in there], dtype=np.int64)
    if not len(rows):
        return None
    names, moments = [named[place] for place in rows], moments_of(policies)[rows]
    facts, vectors, order = [], [], []
    for history, part in _histories(view, names):
        place = {name: at for at, name in enumerate(history.ids)}
        entity = np.array([place[names[one]] for one in part], dtype=np.int64)
        facts.append(fact_columns(history, entity, moments[part]))
        if features:
            vectors.append(compute(catalog(), history, entity, moments[part]))
        order.append(part)
    back = np.argsort(np.concatenate(order), kind="stable")
    told = pa.concat_tables(facts).take(pa.array(back))
    x = np.concatenate(vectors)[back] if features else np.empty((len(rows), 0), dtype=np.float32)
    seen = pc.is_valid(told.column("industry")).to_numpy()
    agreed = consented(view.read("consents"), names, moments, "score")
    return Known(rows[seen], told.filter(pa.array(seen)), x[seen], rows[seen & ~agreed])


def vectors(
    facts: pa.Table,
    found: Known | None,
    shared: Mapping[str, Published] | None,
    *,
    threads: int,
    progress: Progress | None = None,
) -> tuple[Vectors, dict[int, str]]:
    """Features [n, f]: of enterprises of the lake from their history, of prospects from what their facts would have told.

    facts: columns of n policies. Second, by place, whose facts make no score; at most _MOST_FAULTS are looked for.
    """
    x = np.full((facts.num_rows, len(catalog().specs)), np.nan, dtype=np.float32)
    rest = np.ones(facts.num_rows, dtype=bool)
    faults: dict[int, str] = {}
    if found is not None:
        x[found.rows], rest[found.rows] = found.x, False
        faults |= dict.fromkeys(found.withheld.tolist(), "the enterprise has not consented to being scored")
    places, moments = np.flatnonzero(rest), moments_of(facts)
    own = facts.select([name for name in VOCABULARY if name in facts.column_names])
    done = 0

    def some(part: Ints) -> dict[int, str]:
        return _made(own, moments, part, shared, x)

    parts = [places[start : start + _PROSPECTS] for start in range(0, len(places), _PROSPECTS)]
    for part, wrong in zip(parts, engine.run(some, parts, threads=threads), strict=True):
        faults |= wrong
        done += len(part)
        if progress is not None:
            progress(done, len(places))
    return x, faults


def _made(own: pa.Table, moments: Ints, part: Ints, shared: Mapping[str, Published] | None, x: Vectors) -> dict[int, str]:
    """Fills the rows of some prospects; facts that contradict each other are found by halves."""
    try:
        x[part] = features_of(own.take(pa.array(part)), moments[part], shared)
        return {}
    except BadInput as error:
        if len(part) == 1:
            return {int(part[0]): f"{error.what}; {error.mend}"}
    found = _made(own, moments, part[: len(part) // 2], shared, x)
    return found if len(found) >= _MOST_FAULTS else found | _made(own, moments, part[len(part) // 2 :], shared, x)


def moments_of(policies: pa.Table) -> Ints:
    """The day of each policy's facts [n] as the moment at which it begins, in microseconds."""
    return np.asarray(policies.column("as_of").cast(pa.int32()).to_numpy(), dtype=np.int64) * _DAY_MICROS


def merged(policies: pa.Table, found: Known | None) -> pa.Table:
    """Policies with their facts: what the lake knows, and what the sheet states where the lake knows nothing."""
    if found is None:
        return policies
    place = np.full(policies.num_rows, -1, dtype=np.int64)
    place[found.rows] = np.arange(len(found.rows))
    taken = pa.array(place, mask=place < 0)
    for name in found.facts.column_names:
        own = _as_written(found.facts.column(name), VOCABULARY[name]).take(taken)
        if name in policies.column_names:
            stated = policies.column(name).combine_chunks()
            policies = policies.set_column(policies.column_names.index(name), name, pc.coalesce(own, stated.cast(own.type)))
        else:
            policies = policies.append_column(name, own)
    return policies


def _as_written(column: pa.ChunkedArray, kind: FactKind) -> pa.Array:
    """Numbers as a single quote has them: at ten significant digits where they are not whole."""
    if not pa.types.is_floating(column.type):
        return column.combine_chunks()
    values = [None if one is None else float(value_of(kind, one)) for one in column.to_pylist()]  # type: ignore[arg-type]
    return pa.array(values, pa.float64())


def _histories(view: View, names: Sequence[str]) -> Iterator[tuple[History, Ints]]:
    """The histories of some enterprises at a time, with the places of their policies among `names`."""
    shared, ids = groups_of(view), np.array(names, dtype=object)
    every = sorted(set(names))
    for start in range(0, len(every), ENTERPRISES_AT_A_TIME):
        some = every[start : start + ENTERPRISES_AT_A_TIME]
        yield history_of(view, some, shared), np.flatnonzero(np.isin(ids, np.array(some, dtype=object)))
