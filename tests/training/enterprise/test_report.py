"""The page of enterprise scores: what it must say, in both languages, with every chart it promises."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.training.enterprise import planted
from training import charts
from training.enterprise import report, report_figures, rivals
from training.enterprise.bundle import RiskManifest
from training.enterprise.evaluation import against_truth
from training.enterprise.fit import Training, forecast
from training.enterprise.model import SCORES
from training.enterprise.runs import judge_run
from training.enterprise.words import ALARM, PRICE


@pytest.fixture(scope="module")
def training(past, learned):
    labels = past.labels(lag_days=30.0).iloc[learned.cuts.test].reset_index(drop=True)
    return Training(
        learned, past, labels, {which: forecast(learned.models, past, learned.cuts.test, which) for which in SCORES}
    )


@pytest.fixture(scope="module")
def judged(training):
    return judge_run(training, planted.CONFIG.model_copy(update={"ablations": {"machines": ("machine*",)}}))


@pytest.fixture(scope="module")
def page(training, judged):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = RiskManifest.model_construct(bundle_id="enterprise-1", created_at=now)
    moved = [
        report.Moved("a", report.Text("overdue <b>", "逾期"), 0.2, 1),
        report.Moved("b", report.Text("training", "培训"), 0.1, -1),
    ]
    run = report.Run(made, {"Bundle 模型包": "enterprise-1"}, {"seed": "7"}, dict.fromkeys(SCORES, moved))
    said = training.said["price"]
    truth = against_truth(
        said.expected[:, 2], said.expected[:, 2], said.low[:, 2], said.high[:, 2], training.exposure,
        training.past.enterprise[training.test], replicates=20,
    )  # fmt: skip
    return report.context(run, judged, {PRICE: [truth] * 3}), run, truth


def test_page_is_written_whole_in_both_languages(page, judged, tmp_path):
    _, run, truth = page
    text = report.write(run, judged, {PRICE: [truth] * 3}, tmp_path / "reports" / "p.html").read_text()
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    assert "overdue &lt;b&gt;" in text  # words are no markup
    for words in (
        "Verdict",
        "结论",
        "双提升图",
        "Beside the truth",
        "What machine scores",
        "不含设备评分的定价评分",
        "↑ 0.200",
        "↓ 0.100",
    ):
        assert words in text, words
    assert text.index("Verdict") < text.index("<svg")
    assert not re.search(r'="nan|>nan<|NaN', text)


def test_without_truth_or_ablations_their_sections_are_left_out(page, judged, tmp_path):
    plain = [
        replace(one, figures={key: of for key, of in one.figures.items() if not key.startswith("without")}) for one in judged
    ]
    text = report.write(page[1], plain, {}, tmp_path / "p.html").read_text()
    assert "Beside the truth" not in text and "What machine scores" not in text


def test_gains_stand_under_the_rival_with_the_sign_that_more_is_better(page, judged):
    table = page[0]["tables"][0]
    glm = next(row for row in table["parts"][0]["rows"] if row["words"] == rivals.WORDS[rivals.GLM])
    gain = judged[-1].gains[(PRICE, rivals.GLM)]["deviance"]
    assert glm["cells"][0]["gain"].startswith(f"{gain.value:+.3f}"[:4])
    assert table["parts"][0]["rows"][0]["own"] and table["parts"][0]["rows"][0]["cells"][0]["gain"] == ""


def test_lorenz_curve_and_gini_agree(judged):
    for name in (PRICE, ALARM, rivals.RATE):
        work, came = judged[-1].lorenz[name]
        assert work[0] == came[0] == 0 and work[-1] == came[-1] == pytest.approx(1)
        area = float(np.sum(np.diff(work) * (came[1:] + came[:-1]) / 2))
        assert 2 * area - 1 == pytest.approx(judged[-1].figures[name]["gini"].value, abs=1e-6)


def test_segments_with_few_accidents_are_named_and_not_drawn(judged):
    few = replace(judged[-1], segments={"size": {"below 20": (0, judged[-1].figures[PRICE]["slope"]),
                                                 "20 to 100": (50, judged[-1].figures[PRICE]["slope"])}})  # fmt: skip
    svg, legend = report_figures.segments(few, "size")
    assert "20 to 100 20 至 100 · 50" in svg and "below 20" not in svg
    assert legend[-1][1].zh == "事故不足 10 次：20 以下"


def test_strongest_features_are_those_of_the_law(training):
    class Asked:
        names = training.past.snapshot.features

        def contributions(self, which, x):
            return training.learned.models.contributions(which, x, horizon=2)

    found = {one.name: one for one in report.strongest(Asked(), "price", training.x[::3])}
    assert found["hazard_external_overdue"].sign == 1 and found["training_coverage_365d"].sign == -1


def test_pictures_stand_alone(judged):
    drawn = report.pictures(judged)
    assert {"lorenz.svg", "price_deciles.svg", "double_lift_glm.svg"} <= set(drawn)
    assert all(text.startswith("<svg") and "<style>" in text for text in drawn.values())


def test_an_interval_chart_needs_intervals():
    line = charts.Line("a", np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="needs intervals"):
        charts.interval_chart(["a"], line, charts.count_axis("x", 2.0), "x")


@pytest.mark.parametrize(
    ("name", "zh"), [("below 20", "20 以下"), ("20 to 100", "20 至 100"), ("300 and more", "300 及以上"), ("330000", "330000")]
)
def test_bands_are_told_from_regions(name, zh):
    assert report_figures.segment_words(name).zh == zh
