"""The rivals of the enterprise scores, on the same rows: exposure x rate, a GLM with credibility, an afternoon's LightGBM."""

from collections.abc import Mapping

import numpy as np

from training.enterprise.parts import INTERVAL, STRETCHES, Floats, Matrix, cumulated, with_interval
from training.frequency import CountBoosterConfig, CountModel, CountRows, fit_boosted
from training.glm import Term, category, fit_glm, log, spline
from training.report_words import Text

RATE, INDUSTRY, GLM, BOOSTED = "rate", "industry_rate", "glm", "lightgbm"
WORDS: dict[str, Text] = {
    RATE: Text("Exposure × rate", "风险暴露 × 平均率"),
    INDUSTRY: Text("Exposure × industry's rate", "风险暴露 × 行业率"),
    GLM: Text("GLM with credibility", "GLM（含信度）"),
    BOOSTED: Text("LightGBM of an afternoon", "LightGBM（默认参数）"),
}
INDUSTRY_RATE = "industry_rate"
# What an actuary would put into a GLM: size, industry, region, the own record by credibility (the Poisson-gamma factor against
# the industry's rate), and the usual signs of safety work, each on the log scale.
_LOGS = (
    "accident_relativity_1095d", "accident_count_365d", "region_relativity", "hazard_external_overdue", "hazard_external_365d",
    "violations_365d", "training_coverage_365d", "certificate_coverage", "standardisation_level", "spending_per_worker",
    "subcontracting_depth", "machine_risk_sum",
)  # fmt: skip


class _Flat:
    """One rate for all."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def expected(self, x: Matrix, exposure: Floats) -> Floats:
        return exposure * self.rate


class _OfIndustry:
    """The industry's rate as known at as_of, level fitted."""

    def __init__(self, rows: CountRows) -> None:
        self.place = rows.names.index(INDUSTRY_RATE)
        own = self._rate(rows.x)
        self.level = float(rows.weights @ rows.count) / float(rows.weights @ (own * rows.exposure))

    def _rate(self, x: Matrix) -> Floats:
        own = x[:, self.place].astype(np.float64)
        return np.where(np.isnan(own) | (own <= 0), np.nanmean(own), own)

    def expected(self, x: Matrix, exposure: Floats) -> Floats:
        return np.asarray(self.level * self._rate(x) * exposure)


def design(names: tuple[str, ...]) -> list[Term]:
    """The GLM's terms, of the features that there are."""
    present = [name for name in _LOGS if name in names]
    sizes = [name for name in ("exposure_per_year",) if name in names]
    codes = [name for name in ("industry", INTERVAL) if name in names]
    return [*spline(*sizes, knots=4, log=True), *category(*codes, least=20), *log(*present)]


def fit_rivals(rows: CountRows, *, seed: int = 0, threads: int = 1) -> dict[str, CountModel]:
    """Every rival, fitted on the rows that the scores were fitted on."""
    plain = CountBoosterConfig(
        rounds=200, learning_rate=0.05, num_leaves=31, min_data_in_leaf=20, feature_fraction=1.0, bagging_fraction=1.0, l2=0.0,
        members=1,
    )  # fmt: skip
    return {
        RATE: _Flat(rows.mean_rate),
        INDUSTRY: _OfIndustry(rows),
        GLM: fit_glm(rows, design(rows.names), seed=seed),
        BOOSTED: fit_boosted(rows, plain, seed=seed, threads=threads),
    }


def forecasts(models: Mapping[str, CountModel], x: Matrix, exposure: Floats) -> dict[str, Floats]:
    """Expected accidents [n, 3] within 30, 90 and 365 days by each rival. exposure: announced worker-years per year [n]."""
    one = np.ones(len(x))
    return {
        name: cumulated(
            np.stack([model.expected(with_interval(x, number), one) for number in range(STRETCHES)], axis=1), exposure
        )
        for name, model in models.items()
    }
