"""The public set itself, where it is at hand: the figures that the benchmarks of LGPIF are known by do not get worse."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from features.settings import settings
from serving.underwriting import fitted
from serving.underwriting.rulebook_check import check
from tests.training.benchmarks.test_lgpif import silent
from training import policy_years
from training.benchmarks import lgpif, lgpif_book
from training.count_metrics import Counted, gini
from training.intervals import draw, resample


@pytest.fixture(scope="module")
def public() -> Path:
    folder = Path(os.environ.get("FOREWARN_DATA", "")) / "lgpif"
    if "FOREWARN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("FOREWARN_DATA with lgpif is absent")
    return folder


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path))
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_expected_losses_order_those_of_2009_no_worse_than_before(public: Path) -> None:
    tables = policy_years.read(public)
    panel = lgpif.Panel.of(tables)
    year = panel.periods.period
    asked = year == 2009
    said = lgpif.forecast(panel, year < 2009, asked, silent)
    loss, policy = policy_years.limited(tables, 1e6)[asked], panel.years["PolicyNum"].to_numpy()[asked]
    premium = np.maximum(panel.years["Premium"].to_numpy(np.float64)[asked], 1.0)
    for exposure, least in ((np.ones(len(loss)), 0.72), (premium, 0.37)):  # number x cost alone: 0.697 and 0.346
        rows = Counted.of(loss, exposure, policy)
        assert draw(gini(rows, said.loss), resample(rows.groups, 2, 0)).interval().value > least


def test_the_fitted_rulebook_orders_losses_as_well_as_what_was_charged_and_has_no_fault(public: Path) -> None:
    result = lgpif_book.run(public, None, None, silent, fitted_book=fitted.book)
    rows = {str(row["forecast"]): row for row in result.table}
    for rival in ("really charged", "cover x rate"):
        assert rows[rival]["gain of ours"].value > 0.02  # type: ignore[union-attr]
        assert result.facts["gain in mean Gini over years"][rival].low > 0
    text = Path(str(result.facts["rulebook file"])).read_text(encoding="utf-8")
    assert check(text, today=date(2009, 6, 1)) == []
