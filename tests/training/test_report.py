"""The report: self-contained, in both languages, with the verdict first and nothing hidden."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.training import fleet, small
from training import report, report_notes, report_words, runs
from training.charts import count_axis, log_axis, share_axis
from training.evaluation import Settings, evaluate
from training.intervals import Interval
from training.report_words import Text, number, sign, span

WORDS = {"forewarn": Text("Forewarn", "本模型"), "forest": Text("Random <forest>", "随机森林")}


@pytest.fixture(scope="module")
def judged():
    table = fleet.frame()
    return evaluate(table, {"forewarn": fleet.forecast(table), "forest": fleet.forecast(table, 2.0)}, Settings(replicates=60))


@pytest.fixture(scope="module")
def run():
    importance = [report.Importance("heat_last", 0.6, Text("temperature, last value", "温度，最新值"))]
    return report.Run(
        Text("Machine failure", "机器故障"), Text("mill", "磨机"), datetime(2026, 3, 1, tzinfo=UTC),
        {"Bundle 模型包": "machine-mill-1", "Snapshot 特征快照": "mill-20260301"}, WORDS, importance,
        [Text("A note.", "说明。")], {"gbm.rounds": "3"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(run, judged):
    return report.render(run, judged)


class Balance(HTMLParser):
    """Opened and closed tags must match."""

    VOID = ("meta", "br", "circle", "line", "path", "rect")

    def __init__(self):
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag in self.VOID or not self.open:
            return
        if self.open.pop() != tag:
            self.wrong.append(tag)


def test_page_is_one_file_that_asks_for_nothing(page):
    assert not re.search(r"<(script|link|img|iframe|object)\b", page)
    assert not re.search(r"(src|href)\s*=", page)
    assert not re.search(r"url\(|@import", page)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}


def test_page_is_balanced_and_escaped(page):
    balance = Balance()
    balance.feed(page)
    assert balance.open == [] and balance.wrong == []
    assert "Random &lt;forest&gt;" in page and "<forest>" not in page


def test_page_carries_identity_verdict_and_all_parts(page):
    for wanted in ("machine-mill-1", "mill-20260301", "temperature, last value", "温度，最新值", "A note.", "gbm.rounds"):
        assert wanted in page
    headings = (
        "Verdict",
        "结论",
        "Against the rivals",
        "Precision and recall",
        "Can the probabilities be believed?",
        "Alarms:",
    )
    for heading in (*headings, "Daily list", "By machine model", "What the model looks at", "Notes for the sceptic"):
        assert heading in page
    assert page.index("Verdict") < page.index("<svg")
    assert page.count("<svg") == 8


def test_page_shows_the_computed_figures(page, judged):
    horizon = judged.horizon("72")
    for name in judged.names:
        assert number(horizon.figures[name]["ap"].value) in page
    gain = horizon.gains["forest"]["ap"]
    assert f"Δ {report.gain_text(gain, False)}" in page
    assert f"{judged.failures:,} failures" in page


def test_every_paragraph_has_both_languages(page):
    english = page.count('<p class="lead">')
    assert english == page.count('<p class="lead">') and english >= 6
    assert len(re.findall(r'<p class="lead">[^<]+<br><span lang="zh">[^<]*[\u4e00-\u9fff]', page)) == english


def test_page_without_daily_lists_or_segments_leaves_their_tables_out(run):
    table = fleet.frame(machines=12, days=40).assign(model="only")
    judged = evaluate(table, {"forewarn": fleet.forecast(table)}, Settings(replicates=20, lists=(), budgets=(0.05,)))
    page = report.render(run, judged)
    assert "Daily list" not in page and "Against the rivals" in page
    assert page.count("<svg") == 6


def test_pictures_are_whole_svg_files(run, judged):
    pictures = report.pictures(run, judged)
    names = {"precision_recall_72h", "reliability", "observed_over_expected", "alarms", "lead_times"}
    assert set(pictures) == {f"{name}.svg" for name in names}
    for text in pictures.values():
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)


def test_write_leaves_one_whole_file(tmp_path, run, judged, page):
    path = report.write(run, judged, tmp_path / "deep" / "r.html")
    assert path.read_text(encoding="utf-8") == page
    assert [one.name for one in path.parent.iterdir()] == ["r.html"]


def test_verdict_is_bad_news_when_the_news_is_bad():
    table = fleet.frame()
    p = fleet.forecast(table)
    worse = evaluate(table, {"forewarn": fleet.forecast(table, 2.0) ** 0.5, "forest": p}, Settings(replicates=60))
    sentences = report_words.verdict(worse, WORDS)
    assert any(one.tone == "bad" and "worse than" in one.en and "劣于" in one.zh for one in sentences)
    assert any(one.tone == "bad" and "with care" in one.en for one in sentences)


def test_verdict_does_not_claim_a_difference_it_cannot_show():
    table = fleet.frame(machines=10, days=30)
    p = fleet.forecast(table)
    same = evaluate(table, {"forewarn": p, "forest": p}, Settings(replicates=30))
    assert any("not distinguishable from" in one.en for one in report_words.verdict(same, WORDS))


def test_verdict_does_not_confirm_probabilities_by_a_handful_of_failures():
    table = fleet.frame(machines=10, days=40, seed=3)
    few = evaluate(table, {"forewarn": fleet.forecast(table)}, Settings(replicates=60))
    assert any("few failures to test them by" in one.en and one.tone == "plain" for one in report_words.verdict(few, WORDS))


def test_verdict_confirms_what_many_failures_confirm():
    table = fleet.frame(machines=150, days=60)
    many = evaluate(table, {"forewarn": fleet.forecast(table)}, Settings(replicates=60))
    assert any("face value" in one.en and one.tone == "good" for one in report_words.verdict(many, WORDS))


def test_verdict_says_how_many_times_too_few_were_announced():
    table = fleet.frame(machines=80, days=60)
    half = evaluate(table, {"forewarn": fleet.forecast(table) * 0.5}, Settings(replicates=60))
    said = [one for one in report_words.verdict(half, WORDS) if "by a factor of" in one.en]
    assert said and said[0].tone == "bad" and "72 h 1.999" in said[0].en


@pytest.mark.parametrize(
    ("low", "high", "better", "tone"),
    [
        (0.1, 0.2, 1, "good"),
        (-0.2, -0.1, 1, "bad"),
        (-0.2, -0.1, -1, "good"),
        (-0.1, 0.2, 1, "plain"),
        (np.nan, np.nan, 1, "plain"),
    ],
)
def test_tone_follows_the_interval(low, high, better, tone):
    assert sign(Interval(0.1, low, high), better) == tone


@pytest.mark.parametrize(
    ("value", "percent", "text"),
    [
        *((0.9051, False, "0.905"), (0.01234, False, "0.0123"), (1234.5, False, "1,234"), (0.9997, False, "0.9997")),
        *((0.5, True, "50 %"), (0.0313, True, "3.1 %"), (0.00031, True, "0.031 %"), (0.9996, True, "99.96 %")),
        *((1.0, True, "100 %"), (float("nan"), False, "–"), (0.0, False, "0"), (0.0, True, "0 %")),
    ],
)
def test_numbers_are_written_for_people(value, percent, text):
    assert number(value, percent) == text


def test_span_without_an_interval_is_a_dash():
    assert span(Interval(0.5, np.nan, np.nan)) == "–"


def test_axes_reach_beyond_what_they_show():
    assert count_axis("", 4.7).high == 5.0
    assert count_axis("", 0.0).high > 0
    axis = log_axis("", 0.003, 0.4)
    assert (axis.low, axis.high) == pytest.approx((0.001, 1.0))
    assert axis.place(np.array([0.0, 0.001, 1.0, 9.0])).tolist() == pytest.approx([0, 0, 1, 1])
    assert share_axis("").place(0.25) == pytest.approx(0.25)


def test_notes_say_what_the_data_cannot_show(judged):
    manifest = small.bundle().manifest
    azure = manifest.model_copy(update={"kind": small.kind("azure_pdm_daily")})
    assert any("simulated by its publisher and easy" in one.en for one in report_notes.notes(azure, judged))
    assert not any("simulated" in one.en for one in report_notes.notes(manifest, judged))
    assert all(one.zh for one in report_notes.notes(azure, judged))


def test_importance_is_shares_of_gain_in_the_catalogs_words():
    bundle = small.bundle()
    found = runs.importance(bundle.model, bundle.catalog)
    assert 0.9 < sum(one.share for one in found) <= 1.0 + 1e-9
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)
    spec = next(one for one in bundle.catalog.specs if one.name == found[0].name)
    assert (found[0].words.en, found[0].words.zh) == (spec.words_en, spec.words_zh)
