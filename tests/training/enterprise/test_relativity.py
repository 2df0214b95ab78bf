"""How far the model counts beside a rulebook: a weight that was planted is found, and nothing is fitted on too little."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from features.errors import BadInput
from training.enterprise.relativity import Seen, fit_relativity
from training.enterprise.relativity_document import Relativity, keep, path_of, read


def seen(weight: float, *, enterprises: int = 400, rows: int = 6, rate: float = 0.4, alike: float = 0.0, seed: int = 5) -> Seen:
    """Rows whose accidents follow the model with a weight, and the rulebook's amount for the rest."""
    random = np.random.default_rng(seed)
    enterprise = np.repeat(np.arange(enterprises), rows)
    expected = rate * np.exp(random.normal(0.0, 0.6, enterprises))[enterprise]
    cost = np.exp(random.normal(11.0, 0.3, enterprises))[enterprise]
    insured = expected * cost
    amount = 0.01 * insured * np.exp((1.0 - alike) * random.normal(0.0, 0.7, enterprises))[enterprise]
    mean = 1.3 * expected * (amount / insured * 100.0) ** (1.0 - weight)
    return Seen(
        random.poisson(mean).astype(float), expected, amount, insured, np.full(len(mean), 1.0), enterprise.astype(np.int64)
    )


@pytest.mark.parametrize("planted", [0.0, 0.35, 0.8, 1.0])
def test_a_planted_weight_is_found(planted: float) -> None:
    fit = fit_relativity(seen(planted), floor=0.1, cap=10.0)
    assert fit.weight.value == pytest.approx(planted, abs=0.12)
    assert fit.weight.low <= planted + 0.02
    assert fit.weight.high >= planted - 0.02
    assert 0.0 <= fit.weight.low <= fit.weight.high <= 1.0


def test_the_level_keeps_the_total_within_floor_and_cap() -> None:
    rows = seen(0.6)
    for floor, cap in ((0.1, 10.0), (0.8, 1.25)):
        fit = fit_relativity(rows, floor=floor, cap=cap)
        factor = np.clip((rows.insured / (fit.level.value * rows.amount)) ** fit.weight.value, floor, cap)
        assert (rows.amount * factor).sum() == pytest.approx(rows.amount.sum(), rel=1e-6)
        assert fit.level.low < fit.level.value < fit.level.high


def test_nobody_weighs_what_came_twice() -> None:
    """Each row told three times, at a third of the weight: the same weight of the model, and the same interval."""
    once = seen(0.5)
    thrice = Seen(*(np.repeat(getattr(once, name), 3) for name in Seen.__dataclass_fields__))
    thrice = Seen(thrice.came, thrice.expected, thrice.amount, thrice.insured, thrice.weight / 3.0, thrice.enterprise)
    first, second = (fit_relativity(rows, floor=0.5, cap=2.0) for rows in (once, thrice))
    assert first.weight.value == pytest.approx(second.weight.value, abs=1e-6)
    assert (first.weight.low, first.weight.high) == pytest.approx((second.weight.low, second.weight.high), abs=1e-6)


def test_too_few_accidents_are_one_line() -> None:
    with pytest.raises(BadInput, match="accidents that the champion has not seen"):
        fit_relativity(seen(0.5, enterprises=20, rows=1), floor=0.5, cap=2.0)


def test_a_rulebook_that_repeats_the_model_is_refused() -> None:
    with pytest.raises(BadInput, match="the same multiple"):
        fit_relativity(seen(0.5, alike=1.0), floor=0.5, cap=2.0)


def relativity() -> Relativity:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Relativity(
        rulebook="r", version="1", digest="d" * 64, bundle_id="enterprise-1", snapshot_id="s", made_at=now, first=now, last=now,
        rows=10, left_out=0, enterprises=3, accidents=120.0, level=0.5, level_low=0.4, level_high=0.6, weight=0.7,
        weight_low=0.5, weight_high=0.9,
    ).sealed()  # fmt: skip


def test_what_was_kept_is_read_and_a_change_is_seen(tmp_path: Path) -> None:
    assert read(tmp_path, "d" * 64, "enterprise-1") is None
    path = keep(tmp_path, relativity())
    assert path == path_of(tmp_path, "d" * 64, "enterprise-1")
    assert read(tmp_path, "d" * 64, "enterprise-1") == relativity()
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"weight": 1.0}))
    with pytest.raises(BadInput, match="changed after it was sealed"):
        read(tmp_path, "d" * 64, "enterprise-1")
    path.write_text("{}")
    with pytest.raises(BadInput, match="not readable"):
        read(tmp_path, "d" * 64, "enterprise-1")
