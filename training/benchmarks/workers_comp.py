"""Workers' compensation: is credibility worth having? Occupation classes over seven years, payroll and loss (Klugman 1992).

Protocol. The last two years are judged on, the years before them are trained on. A class's loss ratio is estimated by
Buhlmann-Straub with payroll as weight, beside the class's own past ratio and the ratio of all classes together. The figure is
the squared error of the ratio, weighted by payroll, which is what Buhlmann-Straub minimises, and the share of losses that is
misplaced. With a folder to predict, all years of `train` speak: `CL`, `YR`, `expected_loss`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.errors import BadInput
from features.sources import workers_comp as source
from training.benchmarks.result import Result, write_whole
from training.count_tables import Row
from training.credibility import BuhlmannStraub, fit_buhlmann_straub, record
from training.intervals import draw, ratio, resample

NAME = "workers-comp"
JUDGED_YEARS = 2
OWN, CLASS, ALL = "credibility", "the class's own ratio", "ratio of all classes"

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]


def run(train: Path, predict: Path | None, out: Path | None, progress: Say) -> Result:
    """Train on the folder's class-years and judge on the last two, or predict the losses of `predict` to `out`."""
    progress(f"read {train}")
    years = _paid(source.frame(train))
    if predict is None or out is None:
        last = years["YR"] > years["YR"].max() - JUDGED_YEARS
        if years.loc[~last, "YR"].nunique() < 2:
            raise BadInput("too few years", where=str(train), mend=f"bring {JUDGED_YEARS + 2} years or more")
        return _judged(years[~last], years[last])
    asked = source.frame(predict)
    model = fit(years)
    expected = np.maximum(asked["PR"].to_numpy(float), 0.0) * model.ratios(asked["CL"].to_numpy())[OWN]
    write_whole(pa.table({"CL": asked["CL"].to_numpy(), "YR": asked["YR"].to_numpy(), "expected_loss": expected}), out)
    return Result(NAME, [], predictions=out, facts={"rows": len(asked), **model.facts()})


def _paid(years: pd.DataFrame) -> pd.DataFrame:
    """Class-years with payroll: without one there is no ratio."""
    return years[years["PR"] > 0]


@dataclass(frozen=True)
class Model:
    """The structure, and what each class of the training years had."""

    structure: BuhlmannStraub
    classes: npt.NDArray[np.int64]
    payroll: Floats
    mean: Floats
    overall: float

    def ratios(self, asked: npt.NDArray[np.int64]) -> Mapping[str, Floats]:
        """Loss ratio [n] of each class asked, by forecast; a class that was not seen has the collective one."""
        place = np.minimum(np.searchsorted(self.classes, asked), len(self.classes) - 1)
        known = self.classes[place] == asked
        payroll, mean = np.where(known, self.payroll[place], 0.0), np.where(known, self.mean[place], self.overall)
        return {OWN: self.structure.estimate(payroll, mean), CLASS: mean, ALL: np.full(len(asked), self.overall)}

    def facts(self) -> dict[str, object]:
        z = self.structure.credibility(self.payroll)
        return {**self.structure.model_dump(), "credibility, least": float(z.min()), "credibility, most": float(z.max())}


def fit(years: pd.DataFrame) -> Model:
    payroll, loss = years["PR"].to_numpy(float), years["LOSS"].to_numpy(float)
    classes, place = np.unique(years["CL"].to_numpy(np.int64), return_inverse=True)
    structure = fit_buhlmann_straub(place, payroll, loss / payroll)
    total, mean = record(place, payroll, loss / payroll, len(classes))
    return Model(structure, classes, total, mean, float(loss.sum() / payroll.sum()))


def _judged(past: pd.DataFrame, asked: pd.DataFrame) -> Result:
    model = fit(past)
    payroll, loss = asked["PR"].to_numpy(float), asked["LOSS"].to_numpy(float)
    classes, code = np.unique(asked["CL"].to_numpy(np.int64), return_inverse=True)
    weights = resample(len(classes), 2000, seed=0)

    def by_class(amount: Floats) -> Floats:
        return np.bincount(code, amount, len(classes)).astype(float)

    said = model.ratios(asked["CL"].to_numpy(np.int64))
    error = {name: payroll * (loss / payroll - one) ** 2 * 1e4 for name, one in said.items()}
    squared = {name: draw(ratio(by_class(one), by_class(payroll)), weights) for name, one in error.items()}
    astray = {name: by_class(np.abs(loss - payroll * one)) for name, one in said.items()}
    rows: list[Row] = [
        {
            "forecast": name,
            "squared error x 10,000": squared[name].interval(),
            "gain": None if name == OWN else squared[name].minus(squared[OWN]).interval(),
            "losses misplaced": draw(ratio(astray[name], by_class(loss)), weights).interval(),
        }
        for name in said
    ]
    facts = {"classes": len(classes), "judged years": sorted(asked["YR"].unique().tolist()), **model.facts()}
    return Result(NAME, rows, notes=NOTES, facts=facts)


NOTES = ("Intervals resample classes; the error is weighted by payroll.",)
