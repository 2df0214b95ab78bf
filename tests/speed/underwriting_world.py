"""Premiums in simulated worlds beside the true expected insured loss: `make bench NAME=underwriting_world`.

Worlds of 1,500 enterprises over almost three years: simulated, trained, the model's relativity fitted for a rulebook, then of
rows that the champion was not fitted on
    predicted insured pure premium over the true one, by decile of the prediction and of the truth, and how much of that is of
    the number of accidents, how much of what the insurer pays for one;
    loss ratio by segment of the premiums of rulebook factors alone and of those with the model, both at the same total: how far
    segments lie apart, by the truth and by the claims that came.
Intervals (95 %) are over enterprises, differences paired. `--home DIR` judges a home that is there, champion and all.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.speed.enterprise_home import made
from training.count_metrics import Counted, deciles
from training.intervals import Interval, draw, ratio, resample
from training.metrics import Statistic

if TYPE_CHECKING:
    from serving.pricing.rater import RulebookRater
    from training.enterprise.bundle import RiskBundle
    from training.enterprise.rows import Past

Floats = npt.NDArray[np.float64]
ENTERPRISES, DAYS, SEEDS = 1500, 1050, (41, 42)
RULEBOOKS = ("zhongshan-example", "henan-example")
REPLICATES, BINS = 400, 10
APART = 90.0  # days between the moments at which premiums are made
LEAST = 0.02  # share of the loss that a segment has whose loss ratio is told among the extremes


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, train, rate and print, world by world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--enterprises", type=int, default=ENTERPRISES)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--config", default="enterprise")
    parser.add_argument("--rulebook", nargs="*", default=list(RULEBOOKS))
    parser.add_argument("--home", type=Path)
    parser.add_argument("--world", type=Path, help="a fleet's TOML that begins earlier, for a longer history")
    told = parser.parse_args(argv)
    if told.home is not None:
        return _judged(told.home, told.rulebook)
    for seed in told.seed:
        home = Path(tempfile.mkdtemp(prefix="forewarn-underwriting-"))
        try:
            made(home, seed, enterprises=told.enterprises, days=told.days, config=told.config, world=told.world)
            _judged(home, told.rulebook)
        finally:
            shutil.rmtree(home, ignore_errors=True)


def _judged(home: Path, rulebooks: Sequence[str]) -> None:
    """The figures of a home with a champion and a truth."""
    os.environ["FOREWARN_HOME"] = str(home)
    from features.settings import settings

    settings.cache_clear()
    later = Later.of(home)
    print(f"{len(later.rows):,} rows of {later.groups:,} enterprises, {later.bundle.manifest.bundle_id}")
    _pure_premium(later)
    for name in rulebooks:
        _rulebook(home, name, later)


@dataclass(frozen=True)
class Later:
    """Rows [n] that the champion was not fitted on: insured loss of a year under the policy in force as predicted and in truth,
    accidents of the year likewise, worker-years a year, code of the enterprise in [0, groups), segments by sort."""

    past: "Past"
    bundle: "RiskBundle"
    rows: npt.NDArray[np.int64]
    predicted: Floats
    truth: Floats
    expected: Floats
    accidents: Floats
    exposure: Floats
    group: npt.NDArray[np.int64]
    segments: Mapping[str, npt.NDArray[np.generic]]

    @classmethod
    def of(cls, home: Path) -> "Later":
        from features.clock import micros
        from features.enterprise.catalog import EVERY
        from features.lake import Lake
        from features.snapshots import open_snapshot
        from serving.pricing.policies import in_force
        from serving.pricing.rater import insured_of
        from serving.risk_champion import load_risk_champion
        from training.enterprise.rows import Past
        from training.enterprise.runs import segments_of

        snapshot = open_snapshot(home, "latest", EVERY.name)
        lake = Lake.open(snapshot.lake)
        past, bundle = Past.of(snapshot, lake), load_risk_champion(home).bundle
        rows = np.flatnonzero(past.as_of > micros(bundle.manifest.train_until))
        x = past.x[rows]
        terms = in_force(lake.at(snapshot.manifest["lake_versions"]), past.observations.take(pa.array(rows)))
        expected = bundle.risk("price", x, ranges=False).expected[:, -1]
        asked: Any = SimpleNamespace(past=past, x=x, test=rows)
        group = np.unique(past.enterprise[rows], return_inverse=True)[1]
        predicted = insured_of(bundle, x, expected, terms)
        truth, accidents = _truth(home, past, rows)
        return cls(past, bundle, rows, predicted, truth, expected, accidents, past.exposure[rows], group, segments_of(asked))

    @property
    def groups(self) -> int:
        return int(self.group.max()) + 1

    def of_rows(self, chosen: npt.NDArray[np.int64]) -> "Later":
        """Some of the rows, the codes of the enterprises as they are."""
        names = ("rows", "predicted", "truth", "expected", "accidents", "exposure", "group")
        parts: dict[str, Any] = {name: getattr(self, name)[chosen] for name in names}
        return replace(self, **parts, segments={sort: code[chosen] for sort, code in self.segments.items()})


def _truth(home: Path, past: "Past", rows: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Insured loss of a year [n] that a perfect observer expects under the policy in force, and accidents of it [n]."""
    from features.clock import times
    from features.observations import AS_OF
    from features.schema import ENTERPRISE
    from features.simulator import enterprise_truth

    names = ("expected_insured_365", "expected_365")
    told = enterprise_truth.read(home, columns=[ENTERPRISE, AS_OF, *names])
    keys = zip(told.column(ENTERPRISE).cast(pa.string()).to_pylist(), times(told, AS_OF).tolist(), strict=True)
    place = {key: number for number, key in enumerate(keys)}
    asked = [place[key] for key in zip(past.ids[rows].tolist(), past.as_of[rows].tolist(), strict=True)]
    insured, accidents = (told.column(name).to_numpy().astype(np.float64)[asked] for name in names)
    return insured, accidents


def _pure_premium(later: Later) -> None:
    """Predicted over true: overall, by decile (of equal amounts, by rising amount a worker) and by segment."""
    whole, weights = np.ones(len(later.rows), dtype=bool), _weights(later)
    print(f"predicted insured pure premium over the true one: {_over(later, whole, weights)}")
    for name, amount in (("the prediction", later.predicted), ("the truth", later.truth)):
        masks = deciles(Counted.of(amount, later.exposure, later.group), amount, BINS)
        found = [_over(later, mask, weights) for mask in masks]
        held = all(0.9 <= one.value <= 1.1 for one in found)
        print(f"  by decile of {name} ({'all' if held else 'not all'} within 0.9 to 1.1): {', '.join(map(str, found))}")
        number = [later.expected[mask].sum() / later.accidents[mask].sum() for mask in masks]
        print(f"    of the number of accidents: {', '.join(f'{one:.2f}' for one in number)}")
        paid = (one.value / part for one, part in zip(found, number, strict=True))
        print(f"    of what is paid for one: {', '.join(f'{one:.2f}' for one in paid)}")
    for sort, code in later.segments.items():
        parts = (f"{name} {_over(later, code == name, weights)}" for name in np.unique(code).tolist())
        print(f"  by {sort}: {', '.join(parts)}")


def _weights(later: Later) -> Floats:
    return resample(later.groups, REPLICATES, 29)


def _over(later: Later, mask: npt.NDArray[np.bool_], weights: Floats) -> Interval:
    return draw(
        ratio(*(_by_enterprise(later, np.where(mask, one, 0.0)) for one in (later.predicted, later.truth))), weights
    ).interval()


def _by_enterprise(later: Later, amount: Floats) -> Floats:
    return np.asarray(np.bincount(later.group, amount, later.groups), dtype=np.float64)


def _rulebook(home: Path, name: str, later: Later) -> None:
    """The relativity of one rulebook, and how far loss ratios of segments lie apart without it and with it."""
    from features.settings import settings
    from serving.pricing.rater import rater
    from training.enterprise.relativity import run_relativity

    made = rater(home, name)
    found, _ = run_relativity(settings(), made)
    weight = Interval(found.weight, found.weight_low, found.weight_high)
    print(f"{name}: weight of the model {weight}, fitted on {found.fitted_on}")
    as_of = later.past.as_of[later.rows]
    moments = np.unique(as_of)
    chosen = np.flatnonzero(np.isin(as_of, moments[:: max(1, round(APART / later.past.step_days))]))
    later = later.of_rows(chosen)
    alone, with_model, facts = _premiums(home, made, later)
    rated = np.flatnonzero(~np.isnan(alone))
    later, alone, with_model = later.of_rows(rated), alone[rated], with_model[rated]
    segments = {**later.segments, **{sort: code[rated] for sort, code in _segments(facts).items()}}
    followed, paid = _paid(later)
    weights = _weights(later)
    for words, loss, part in (
        ("true expected insured loss", later.truth, np.ones(len(rated))), ("claims that came", paid, followed / 365.0)
    ):  # fmt: skip
        print(f"  loss ratios by {words}, both premiums at its total ({len(rated):,} premiums):")
        for sort, code in segments.items():
            _spread(sort, code, loss, {"alone": alone * part, "model": with_model * part}, later, weights)


def _premiums(home: Path, made: "RulebookRater", later: Later) -> tuple[Floats, Floats, pa.Table]:
    """Premiums of a year by the rulebook's factors alone and with the model [n] (NaN: not rated), and the facts."""
    from features.errors import BadInput
    from features.lake import Lake
    from features.schema import ENTERPRISE
    from serving.books.charges import used_facts
    from serving.pricing import relativities
    from serving.pricing.enterprise_facts import facts_at, facts_of
    from serving.underwriting.numbers import of_model
    from serving.underwriting.premium import charge
    from serving.underwriting.terms import ModelSays, Terms, year_from

    rulebook, bundle_id = made.rulebook, later.bundle.manifest.bundle_id
    fitted = relativities.load(home, rulebook.digest, bundle_id)
    view = Lake.open(home / "lake").at(later.past.snapshot.manifest["lake_versions"])
    observed = later.past.observations.take(pa.array(later.rows))
    as_of = later.past.as_of[later.rows]
    facts = facts_of(view, observed.column(ENTERPRISE).cast(pa.string()).to_pylist(), as_of).combine_chunks()
    names, found = used_facts(rulebook), np.full((2, len(later.rows)), np.nan)
    for place, moment in enumerate(as_of.tolist()):
        day = datetime.fromtimestamp(moment / 1e6, UTC).date()
        own, terms = facts_at(facts, place, day, rulebook.currency, names), Terms(day, year_from(day), rulebook.currency)
        loss = of_model(float(later.predicted[place]))
        says = ModelSays(loss, loss, loss, loss, loss, loss, bundle_id, relativity=fitted)
        try:
            found[:, place] = [float(charge(rulebook, own, terms, one, ends=False).premium) for one in (None, says)]
        except BadInput:
            continue
    return found[0], found[1], facts


def _segments(facts: pa.Table) -> dict[str, npt.NDArray[np.generic]]:
    """Segments that rulebooks know by their own facts: standardisation, and accidents of the last year."""
    level = np.array(facts.column("standardisation").fill_null("none").to_pylist())
    accidents = np.minimum(facts.column("accidents_1y").fill_null(0.0).to_numpy(), 3).astype(int)
    return {"standardisation": level, "record": np.array(["none", "one", "two", "three and more"])[accidents]}


def _paid(later: Later) -> tuple[Floats, Floats]:
    """Days that each row was followed, at most to the next one judged, and what came of claims in them as last valued."""
    from features.clock import times
    from features.lake import Lake
    from features.schema import ENTERPRISE, EVENT_TIME

    claims = (
        Lake.open(Path(os.environ["FOREWARN_HOME"]) / "lake").at(later.past.snapshot.manifest["lake_versions"]).read("claims")
    )
    valued = np.argsort(times(claims, "valued_at"), kind="stable")
    last = {claims.column("claim_id")[int(place)].as_py(): int(place) for place in valued}
    of = [claims.column(ENTERPRISE)[place].as_py() for place in last.values()]
    amount = np.array([claims.column(name).fill_null(0.0).to_numpy() for name in ("paid", "reserved")]).sum(axis=0)[
        list(last.values())
    ]
    when = times(claims, EVENT_TIME)[list(last.values())]
    labels = later.past.labels(lag_days=30.0)
    followed = np.minimum(labels["followed90"].to_numpy(np.float64)[later.rows], APART)
    begin = later.past.as_of[later.rows]
    mine: dict[str, list[int]] = {}
    for row, enterprise in enumerate(later.past.ids[later.rows].tolist()):
        mine.setdefault(str(enterprise), []).append(row)
    paid, end = np.zeros(len(begin)), begin + followed * 86_400_000_000
    for enterprise, moment, cost in zip(of, when.tolist(), amount.tolist(), strict=True):
        for row in mine.get(enterprise, ()):
            if begin[row] < moment <= end[row]:
                paid[row] += cost
    return followed, paid


def _spread(
    sort: str, code: npt.NDArray[np.generic], loss: Floats, premiums: Mapping[str, Floats], later: Later, weights: Floats
) -> None:
    """Loss that sits in segments that do not pay for it, as a share of all, and loss ratios of the segments."""
    names = np.unique(code).tolist()
    own = np.stack([_by_enterprise(later, np.where(code == one, loss, 0.0)) for one in names], axis=1)
    told, ratios = {}, {}
    for name, premium in premiums.items():
        paying = np.stack([_by_enterprise(later, np.where(code == one, premium, 0.0)) for one in names], axis=1)
        told[name] = draw(_misplaced(own, paying), weights)
        ratios[name] = own.sum(axis=0) / paying.sum(axis=0) * (paying.sum() / own.sum())
    share = own.sum(axis=0) / own.sum()
    great = [one[share >= LEAST] for one in ratios.values()]
    less = told["alone"].minus(told["model"]).interval()
    extremes = " against ".join(f"{one.min():.2f}..{one.max():.2f} ({one.max() / one.min():.2f})" for one in great)
    print(
        f"    {sort}: misplaced {told['alone'].interval()} -> {told['model'].interval()}, less by {less}; extremes {extremes}"
    )
    print("      " + ", ".join(f"{one} {ratios['alone'][at]:.2f} -> {ratios['model'][at]:.2f}" for at, one in enumerate(names)))


def _misplaced(loss: Floats, premium: Floats) -> Statistic:
    """Half the sum of |loss share - premium share| over segments, of totals by enterprise [enterprises, segments]."""

    def run(weights: Floats) -> Floats:
        shares = [one / one.sum(axis=1, keepdims=True) for one in (weights @ loss, weights @ premium)]
        return np.asarray(np.abs(shares[0] - shares[1]).sum(axis=1) / 2.0)

    return run


if __name__ == "__main__":
    main()
