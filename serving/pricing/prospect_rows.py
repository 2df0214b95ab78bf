"""A prospect's facts as rows of the enterprise tables, such as an enterprise of the lake would have them; features follow.

What a fact leaves open is assumed, the same for everybody: what happened within a year stands in its middle, of three years
those before the last one in the second or, where more clean years are stated, later; hazards overdue were found by the insurer
three months ago, due a month later, and a year before that where all of the last year is rectified; what is counted per
worker goes by the headcount stated. Facts that contradict each other are refused.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import micros
from features.enterprise.catalog import catalog
from features.enterprise.compute import compute
from features.enterprise.history import History, Published, from_tables
from features.enterprise.kernel import DAY
from features.history import Ints
from serving.pricing.enterprise_facts import YEAR_DAYS
from serving.pricing.made_rows import Floats, Made, Stated, days_ago, each, named, some, table_of
from serving.underwriting.facts import VOCABULARY

Vectors = npt.NDArray[np.float32]
YEAR = round(365.25 * DAY)
_HALF = 182 * DAY  # a year's middle
_LONG = 3.0  # years that the facts of three years speak of
_DUE = 20  # hazards that a rate of rectification is of, where no overdue ones are stated
_PEOPLE = 100.0  # where no headcount is stated
# Each thing counted is a row: what is stated by mistake, or to do harm, must not fill the memory.
MOST_COUNTED, MOST_YEARS = 10_000, 200
_COUNTED = (
    "accidents_1y", "accidents_ordinary_1y", "accidents_larger_1y", "accidents_major_1y", "accidents_3y", "claims_3y",
    "overdue_hazards", "overdue_major_hazards", "self_reports_1y", "permits_withdrawn", "violations_1y", "refused_visits_1y",
    "drills_1y", "services_1y",
)  # fmt: skip
_FIRST_FOUNDED, _EARLIEST, _LATEST = (micros(datetime(year, 1, 1, tzinfo=UTC)) for year in (1700, 1970, 2201))
_DEATHS = {"ordinary": 0.0, "larger": 3.0, "major": 10.0}
# A column beside the facts: of whom it is asked what were if the supervised hazard that stands open had been rectified.
SUPERVISED_RECTIFIED = "supervised_rectified"
_AMOUNTS = {name: name for name in ("headcount", "payroll", "project_cost", "revenue", "insured_value", "hours_worked")}


def features_of(facts: pa.Table, as_of: Ints, shared: Mapping[str, Published] | None = None) -> Vectors:
    """Features float32[n, features] of n prospects, one row of facts each; see `made_history`."""
    history = made_history(facts, as_of, shared)
    return np.ascontiguousarray(compute(catalog(), history, np.arange(facts.num_rows), as_of))


def made_history(facts: pa.Table, as_of: Ints, shared: Mapping[str, Published] | None = None) -> History:
    """The history of n prospects in their order. facts: columns as `enterprise_facts.fact_columns` has them, null: not known.

    as_of: microseconds [n]. shared: the published tables of groups, where there is a lake. Raises BadInput naming the row of
    facts that contradict each other, or that lack the industry.
    """
    stated = Stated(facts, np.asarray(as_of, dtype=np.int64))
    _bounded(stated)
    ids = [f"prospect-{row:08d}" for row in range(len(stated))]
    tables = {}
    for name, make in MADE.items():
        parts = [table_of(name, ids, stated, rows) for rows in make(stated)]
        if parts:
            tables[name] = pa.concat_tables(parts)
    return from_tables(tables, ids, shared)


def _bounded(stated: Stated) -> None:
    """Raises BadInput where rows could not be made: too many of them, or on days that no clock of ours shows."""
    for name in _COUNTED:
        what = f"more than {MOST_COUNTED} {VOCABULARY[name].words_en}"
        stated.refuse(stated.number(name) > MOST_COUNTED, what, f"correct {name}")
    for name in ("record_years", "clean_years"):
        what = f"more than {MOST_YEARS} {VOCABULARY[name].words_en}"
        stated.refuse(stated.number(name) > MOST_YEARS, what, f"correct {name}")
    beyond = (stated.as_of < _EARLIEST) | (stated.as_of >= _LATEST)
    stated.refuse(beyond, "the facts are of a day before 1970 or after 2200", "correct as_of")
    founded = np.asarray(pc.coalesce(_founded(stated), pa.array(stated.as_of)).to_numpy(zero_copy_only=False))
    never = (founded < _FIRST_FOUNDED) | (founded > stated.as_of)
    stated.refuse(never, "founded before 1700, or after the day of the facts", "correct founded")


def _founded(stated: Stated) -> pa.Array:
    """The day of founding [n] in microseconds, null where it is not stated."""
    if "founded" not in stated.facts.column_names:
        return pa.nulls(len(stated), pa.int64())
    return stated.facts.column("founded").cast(pa.timestamp("us")).cast(pa.int64()).combine_chunks()


def record_years(stated: Stated) -> Floats:
    """Years on record [n]: as stated, else as long as what is stated speaks of."""
    year = [name for name in VOCABULARY if name.endswith("_1y") or name in ("training_coverage", "rectification_rate")]
    three = [name for name in VOCABULARY if name.endswith("_3y")]
    least = np.nan_to_num(stated.number("clean_years"))
    for names, years in ((year, 1.0), (three, _LONG)):
        told = np.any([~np.isnan(stated.number(name)) for name in names], axis=0)
        least = np.where(told, np.maximum(least, years), least)
    own = stated.number("record_years")
    stated.refuse(np.floor(own) < np.nan_to_num(stated.number("clean_years")), "more clean years than years on record",
                  "correct clean_years or record_years")  # fmt: skip
    return np.where(np.isnan(own), least, own)


def _enterprises(stated: Stated) -> list[Made]:
    industry = stated.text("industry")
    stated.refuse(np.asarray(industry.is_null()), "the industry is not stated", "state the industry: the score begins with it")
    everyone = np.arange(len(stated))
    columns = {"industry": industry, "process": stated.text("process"), "region": stated.text("region")}
    columns["founded"] = _founded(stated)
    return [Made(everyone, np.rint(record_years(stated) * YEAR_DAYS * DAY).astype(np.int64), columns)]


def _exposures(stated: Stated) -> list[Made]:
    """A period of a year for each year on record, the last one at least, each of the size stated."""
    made = []
    years = np.maximum(1, np.ceil(record_years(stated))).astype(np.int64)
    for name, basis in _AMOUNTS.items():
        amount = stated.number(name)
        of, nth = each(np.where(np.isnan(amount), 0, years))
        ends = stated.as_of[of] - nth * YEAR
        made.append(Made(of, nth * YEAR, {"basis": basis, "starts": ends - YEAR, "amount": amount[of]}))
    return made


def _accidents(stated: Stated) -> list[Made]:
    whole, clean = stated.number("accidents_1y"), np.nan_to_num(stated.number("clean_years"))
    graded = {grade: stated.number(f"accidents_{grade}_1y") for grade in _DEATHS}
    above = np.nan_to_num(graded["larger"]) + np.nan_to_num(graded["major"])
    ordinary = np.where(np.isnan(graded["ordinary"]), np.nan_to_num(whole) - above, graded["ordinary"])
    unclean = (stated.number("clean_years") == 0) & (stated.number("record_years") >= 1)
    ordinary = np.where(unclean & np.isnan(whole) & np.isnan(graded["ordinary"]) & (above == 0), 1.0, ordinary)
    year = ordinary + above
    wrong = (~np.isnan(whole) & (year != whole)) | (ordinary < 0)
    stated.refuse(wrong, "accidents of the last year differ from the sum of their grades",
                  "correct accidents_1y or the numbers by grade")  # fmt: skip
    stated.refuse((year > 0) & (clean >= 1), "an accident in the last year beside a clean year", "correct clean_years")
    three = stated.number("accidents_3y")
    earlier = np.where(np.isnan(three), 0.0, three - year)
    stated.refuse(earlier < 0, "fewer accidents in three years than in the last one", "correct accidents_3y")
    stated.refuse(
        (earlier > 0) & (clean >= _LONG), "an accident within three years beside as many clean years", "correct clean_years"
    )
    made = []
    for grade, count in {"ordinary": ordinary, "larger": graded["larger"], "major": graded["major"]}.items():
        of, nth = each(np.rint(np.nan_to_num(count)).astype(np.int64))
        made.append(_accident(of, np.full(len(of), _HALF, dtype=np.int64), named(nth, grade), _DEATHS[grade]))
    of, nth = each(np.rint(earlier).astype(np.int64))
    ago = np.where(clean[of] >= 1, np.minimum((clean[of] + 0.5) * YEAR, 2.9 * YEAR), 1.5 * YEAR).astype(np.int64)
    made.append(_accident(of, ago, named(nth, "earlier"), 0.0))
    return [*made, _before_clean(stated, clean, earlier)]


def _before_clean(stated: Stated, clean: Floats, earlier: Floats) -> Made:
    """The accident that ended the years before the clean ones, where the record is longer and no number tells of it."""
    untold = np.isnan(stated.number("accidents_3y")) | (clean >= _LONG)
    told = (clean >= 1) & (np.floor(record_years(stated)) > clean) & (earlier == 0)
    of = some(told & untold)
    return _accident(of, ((clean[of] + 0.5) * YEAR).astype(np.int64), named(np.zeros_like(of), "before"), 0.0)


def _accident(of: Ints, ago: Ints, names: pa.Array, deaths: float) -> Made:
    return Made(of, ago, {"accident_id": names, "deaths": deaths, "injuries": 0.0})


def _claims(stated: Stated) -> list[Made]:
    count, incurred = stated.count("claims_3y"), np.nan_to_num(stated.number("incurred_3y"))
    stated.refuse(
        (incurred > 0) & (count == 0), "claims paid and reserved without a claim", "state claims_3y, or correct incurred_3y"
    )
    of, nth = each(count)
    valued = stated.as_of[of] - 30 * DAY
    paid = (incurred / np.maximum(count, 1))[of]
    return [Made(of, np.full(len(of), 400 * DAY), {"claim_id": named(nth, "claim"), "valued_at": valued, "paid": paid})]


def _hazards(stated: Stated) -> list[Made]:
    overdue, major = stated.number("overdue_hazards"), stated.number("overdue_major_hazards")
    stated.refuse(major > overdue, "more major hazards overdue than hazards overdue", "correct overdue_hazards")
    rate, late = stated.number("rectification_rate"), np.where(np.isnan(overdue), np.nan_to_num(major), overdue)
    stated.refuse(
        (rate < 1) & (overdue == 0),
        "hazards are not rectified, yet none is overdue",
        "correct rectification_rate or overdue_hazards",
    )
    late = np.where((rate < 1) & np.isnan(overdue) & (late == 0), np.maximum(1, np.rint((1 - rate) * _DUE)), late)
    done = np.where(
        rate < 1, np.rint(np.nan_to_num(rate / np.where(rate < 1, 1 - rate, 1) * late)), np.where(rate == 1, _DUE, 0)
    )
    stated.refuse(
        done > MOST_COUNTED,
        f"a share rectified that speaks of more than {MOST_COUNTED} hazards beside those overdue",
        "round rectification_rate",
    )
    found = {"found_by": "insurer", "supervised": False}
    made = []
    for name, count, grade in (("major", np.nan_to_num(major), "major"), ("overdue", late - np.nan_to_num(major), "general")):
        of, nth = each(np.rint(count).astype(np.int64))
        # The rate is of the last year: where all of that was rectified, what is overdue is older.
        older = np.where(rate == 1, YEAR, 0)[of]
        due = stated.as_of[of] - 60 * DAY - older
        made.append(Made(of, days_ago(nth, 90) + older, {"hazard_id": named(nth, name), "grade": grade, "due": due, **found}))
    of, nth = each(np.rint(np.nan_to_num(done)).astype(np.int64))
    moment = stated.as_of[of]
    put_right = {"due": moment - 60 * DAY, "rectified": moment - 70 * DAY, **found}
    made.append(Made(of, days_ago(nth, 100), {"hazard_id": named(nth, "done"), "grade": "general", **put_right}))
    made += _supervised(stated, found)
    of, nth = each(stated.count("self_reports_1y"))
    moment = stated.as_of[of]
    own = {
        "found_by": "self",
        "grade": "general",
        "supervised": False,
        "due": moment - 70 * DAY,
        "rectified": moment - 80 * DAY,
    }
    return [*made, Made(of, days_ago(nth, 101), {"hazard_id": named(nth, "self"), **own})]


def _supervised(stated: Stated, found: Mapping[str, object]) -> list[Made]:
    """The hazard under supervision: open, or rectified yesterday (what if), never as though nobody had found it."""
    made = []
    for name in ("supervised_open", SUPERVISED_RECTIFIED):
        of = some(stated.number(name) > 0)
        row = {"hazard_id": named(np.zeros_like(of), "supervised"), "grade": "major", "due": stated.as_of[of] + 20 * DAY}
        done = {"rectified": stated.as_of[of] - DAY} if name == SUPERVISED_RECTIFIED else {}
        made.append(Made(of, np.full(len(of), 10 * DAY), {**found, **row, **done, "supervised": True}))
    return made


def _counted(fact: str, id_name: str, more: Mapping[str, object]) -> Callable[[Stated], list[Made]]:
    """So many rows in the middle of the last year."""

    def make(stated: Stated) -> list[Made]:
        of, nth = each(stated.count(fact))
        return [Made(of, np.full(len(of), _HALF, dtype=np.int64), {id_name: named(nth, fact), **more})]

    return make


def _standing(columns: Mapping[str, str], defaults: Mapping[str, object]) -> Callable[[Stated], list[Made]]:
    """One row of a year ago of those who state any of the facts; columns: of the table, by fact."""

    def make(stated: Stated) -> list[Made]:
        told = np.any([~np.asarray(stated.text(fact).is_null()) for fact in columns.values()], axis=0)
        of = some(told)
        made = {name: _filled(stated, fact, of, defaults.get(name)) for name, fact in columns.items()}
        return [Made(of, np.full(len(of), _HALF, dtype=np.int64), {**defaults, **made})]

    return make


def _filled(stated: Stated, fact: str, of: Ints, missing: object) -> pa.Array:
    found = stated.facts.column(fact).combine_chunks() if fact in stated.facts.column_names else stated.text(fact)
    found = found.take(pa.array(of))
    return (
        found
        if missing is None
        else pc.fill_null(found.cast(pa.bool_() if isinstance(missing, bool) else pa.string()), missing)
    )


def _covered(fact: str, columns: tuple[str, str], more: Mapping[str, object]) -> Callable[[Stated], list[Made]]:
    """A share of what is required, of as many people as there are."""

    def make(stated: Stated) -> list[Made]:
        share, heads = stated.number(fact), stated.number("headcount")
        of = some(~np.isnan(share))
        people = np.where(np.isnan(heads), _PEOPLE, np.maximum(heads, 1.0))[of]
        return [Made(of, np.full(len(of), _HALF, dtype=np.int64), {columns[0]: share[of] * people, columns[1]: people, **more})]

    return make


MADE: Mapping[str, Callable[[Stated], list[Made]]] = {
    "enterprises": _enterprises,
    "exposures": _exposures,
    "accidents": _accidents,
    "claims": _claims,
    "hazards": _hazards,
    "standardisation": _standing({"level": "standardisation"}, {}),
    # A rating nobody states stands in the middle where only the black list is told.
    "credit": _standing(
        {"rating": "credit", "blacklisted": "blacklisted"}, {"rating": "B", "blacklisted": False, "repaired": False}
    ),
    "permits": _counted("permits_withdrawn", "permit_id", {"kind": "production", "state": "suspended"}),
    "violations": _counted("violations_1y", "violation_id", {"code": "stated"}),
    "inspections": _counted("refused_visits_1y", "visit_id", {"visitor": "insurer", "mode": "on_site", "outcome": "refused"}),
    "drills": _counted("drills_1y", "drill_id", {}),
    "services": _counted("services_1y", "service_id", {"item": "stated"}),
    "trainings": _covered("training_coverage", ("attended", "required"), {"training_id": "stated"}),
    "certificates": _covered("certificate_coverage", ("held", "required"), {"kind": "stated"}),
    "subcontracting": _standing({"depth": "subcontracting_depth"}, {}),
}
