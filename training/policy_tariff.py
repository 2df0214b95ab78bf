"""The tariff of LGPIF's policies: which facts, in which bands, fitted on which years, and the model's weight beside it.

Nothing of what was really charged enters: neither the tariff nor the model beside it sees a premium. The model's weight is
fitted on rolling origins within the training years: each year's losses with the tariff and the model of the years before it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import BadInput
from features.sources.lgpif import TYPES
from training.relativities import (
    Bands,
    Codes,
    Columns,
    Design,
    Relativities,
    Tariff,
    Weight,
    fit_tariff,
    fit_weight,
    with_intervals,
)
from training.report_words import Text

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
COVER, KIND = "insured_value", "entity_type"
CODES = tuple(name.removeprefix("Type").lower() for name in TYPES)
KINDS = dict(zip(CODES, (
    Text("city", "市"), Text("county", "县"), Text("other", "其他"), Text("school district", "学区"), Text("town", "镇"),
    Text("village", "村"),
), strict=True))  # fmt: skip
DESIGN = Design(
    size=COVER,
    edges=(0.0, 1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9),
    per=1000.0,
    scales=(
        Codes(KIND, CODES),
        Bands("deductible", (1000.0, 2500.0, 5000.0, 10_000.0, 25_000.0, 50_000.0), "higher"),
        Codes("fire_protected", ("true", "false"), ordered=True),
        Bands("alarm_credit", (5.0, 10.0, 15.0), "higher"),
        Bands("claims_a_year", (0.01, 0.75, 1.5, 3.0, 6.0, 12.0), "lower"),
    ),
)
WORDS: Mapping[str, tuple[Text, str]] = {
    COVER: (Text("Cover of buildings and contents", "建筑物及财产保额"), "USD"),
    KIND: (Text("Type of government", "政府类型"), ""),
    "deductible": (Text("Deductible", "免赔额"), "USD"),
    "fire_protected": (Text("Fire protection class below 5", "消防等级优于5级"), ""),
    "alarm_credit": (Text("Credit for automatic alarms", "自动报警优惠档"), "%"),
    "claims_a_year": (Text("Claims a year in earlier years", "以往年均出险次数"), ""),
}
# Frees, Lee & Yang (2016), Multivariate Frequency-Severity Regression Models in Insurance, Risks 4(1): the fund and its data.
URL = "https://doi.org/10.3390/risks4010004"


@dataclass(frozen=True)
class Book:
    """Policy-years [n]: facts by name, year, policy; what claims cost, and with single claims limited."""

    columns: Columns
    year: Floats
    policy: npt.NDArray[np.int64]
    loss: Floats
    limited: Floats
    capped: Floats

    def part(self, rows: Mask) -> dict[str, npt.NDArray[np.generic]]:
        """Facts of the rows chosen."""
        return {name: column[rows] for name, column in self.columns.items()}


# What the model of the rows given first says of those given second: expected loss a year [asked].
Model = Callable[[Mask, Mask], Floats]


@dataclass(frozen=True)
class FittedTariff:
    """The tariff of some years, the model's weight beside it, and the years whose losses weighed it."""

    tariff: Tariff
    weight: Weight
    years: tuple[int, ...]
    origins: tuple[int, ...]

    @property
    def span(self) -> str:
        return f"{self.years[0]}-{self.years[-1]}"

    @property
    def weighed_on(self) -> str:
        return f"losses of {self.origins[0]}-{self.origins[-1]}, each year by the tariff and the model of the years before it"


def fit(book: Book, fitted: Mask, model: Model, *, intervals: int) -> FittedTariff:
    """Fit on the rows chosen. intervals: refits for those of the relativities; 0 leaves them out.

    Raises BadInput with fewer than two years: no year has one before it to weigh the model on.
    """
    years = np.unique(book.year[fitted]).astype(int)
    if len(years) < 2:
        raise BadInput("a year before another is needed to weigh the model", where="training years", mend="give two or more")
    tariff = _tariff(book, fitted)
    seen, said, rows = [], [], []
    for year in years[1:]:
        before, now = fitted & (book.year < year), fitted & (book.year == year)
        seen.append(_tariff(book, before).amount(book.part(now)))
        said.append(model(before, now))
        rows.append(np.flatnonzero(now))
    at = np.concatenate(rows)
    weight = fit_weight(np.concatenate(seen), np.concatenate(said), book.capped[at], book.policy[at])
    if intervals:
        given = (book.part(fitted), book.limited[fitted], book.loss[fitted], DESIGN, book.policy[fitted])
        tariff = with_intervals(tariff, *given, replicates=intervals)
    return FittedTariff(tariff, weight, tuple(years.tolist()), tuple(years[1:].tolist()))


def _tariff(book: Book, rows: Mask) -> Tariff:
    return fit_tariff(book.part(rows), book.limited[rows], book.loss[rows], DESIGN)


def document(fitted: FittedTariff, first: int, last: int, limit: float) -> dict[str, Any]:
    """The fitted tables as plain values, with all that makes them a rulebook in force from one year to another."""
    size, span = fitted.tariff.size, fitted.span
    how = "quasi-Poisson GLM with ridge, relativities monotone where a fact has a better side"
    return {
        "id": "lgpif-fitted",
        "version": f"fitted to {span}",
        "title_en": f"Property of local governments in Wisconsin, fitted to {span}",
        "title_zh": f"威斯康星州地方政府财产保险，由{span}年数据拟合",
        "market": "US-WI",
        "currency": "USD",
        "effective_from": f"{first}-01-01",
        "effective_to": f"{last}-12-31",
        "citation": f"Fit to policy-years {span} of the Local Government Property Insurance Fund, State of Wisconsin ({how})",
        "text_en": f"Losses of the years by {how}; single claims limited at USD {limit:,.0f}, the rest shared out alike.",
        "text_zh": f"以各保单年度赔款拟合：单次赔款以{limit:,.0f}美元为限，超出部分由全部保单均摊；"
        "岭惩罚拟泊松广义线性模型，对有优劣方向的事实约束系数单调。",
        "url": URL,
        "model_en": f"The model's relativity, with the tariff as offset; weight fitted to {fitted.weighed_on}.",
        "model_zh": f"模型系数以本费率为偏移量；其权重由{fitted.origins[0]}-{fitted.origins[-1]}年赔款拟合，"
        "每年均用此前年度的费率和模型。",
        "base": size.fact,
        "base_en": "Cover by slice: every slice at its own pure rate",
        "base_zh": "保额分段：各段按其纯费率",
        "per": size.per,
        "edges": list(size.edges),
        "rates": list(size.rates),
        "factors": [_factor(one) for one in fitted.tariff.factors],
    }


def _factor(one: Relativities) -> dict[str, Any]:
    scale = one.scale
    words, unit = WORDS[scale.fact]
    columns = {"values": one.values, "rows": one.rows, "low": one.low, "high": one.high}
    told = {"fact": scale.fact, "words_en": words.en, "words_zh": words.zh, "unit": unit}
    if isinstance(scale, Bands):
        plain = {name: list(column) for name, column in columns.items()}
        return told | {"kind": "number", "better": scale.better, "edges": list(scale.edges)} | plain
    if set(scale.codes) == {"false", "true"}:  # of a flag the levels stand in this order
        order = [scale.codes.index(code) for code in ("false", "true")]
        better = "higher" if scale.codes[0] == "true" else "lower"
        flags = {name: [column[place] for place in order] if column else [] for name, column in columns.items()}
        return told | {"kind": "flag", "better": better if scale.ordered else None} | flags
    plain = {name: list(column) for name, column in columns.items()}
    return told | {"kind": "code", "codes": list(scale.codes)} | plain


def policies(book: Book, rows: Mask, expected: Sequence[float], loss: Sequence[float]) -> list[dict[str, Any]]:
    """The policy-years chosen as they are rated: key, year, facts as stated, and what the model says of each [rows]."""
    found = []
    for place, number, amount in zip(np.flatnonzero(rows), expected, loss, strict=True):
        facts = {name: column[place].item() for name, column in book.columns.items()}
        facts["fire_protected"] = facts["fire_protected"] == "true"
        key = f"{int(book.policy[place])}-{int(book.year[place])}"
        found.append({
            "key": key, "year": int(book.year[place]), "facts": facts, "expected": float(number), "loss": float(amount),
        })  # fmt: skip
    return found
