"""The verbs of stored quotes and of a policy's term: both ways of printing, a line for a mistake, nothing half written."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner

from features.enterprise.schema import ACCIDENTS
from features.errors import BadInput, Conflict, NotFound, UserError
from features.settings import settings
from serving.pricing import cli_quotes, cli_term, quotes
from serving.pricing.policy_term import PolicyTerm
from serving.pricing.store import opened
from serving.pricing.term_events import noticed
from serving.risk_champion import load_risk_champion
from serving.risk_evidence import Knowledge
from serving.underwriting.facts import Fact
from serving.underwriting.rulebook import load
from serving.underwriting.worksheet import Worksheet
from tests.serving.quoted import ENDS, STARTS, document
from tests.serving.risk_world import RiskWorld, copied

RUN = CliRunner()
SIGNED = ["--evidence", "invoice 1", "--by", "陈工"]
Typed = Callable[..., Any]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> Iterator[str]:
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FOREWARN_STORE_URL", url)
    settings.cache_clear()
    yield url
    settings.cache_clear()


@pytest.fixture
def quote_id(store: str) -> str:
    with opened(store) as kept:
        return kept.add_quote(document())


def ran(app: typer.Typer, *arguments: str) -> str:
    result = RUN.invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def told(app: typer.Typer, *arguments: str) -> Any:
    return json.loads(ran(app, *arguments, "--json"))


def test_quotes_are_listed_and_shown(quote_id: str) -> None:
    [one] = told(cli_quotes.quotes, "list", "--enterprise", "e-1")
    assert (one["quote_id"], one["premium"], one["currency"]) == (quote_id, "15200.00", "CNY")
    assert "document" not in one
    assert ran(cli_quotes.quotes, "list").startswith(f"{quote_id}  ")
    assert ran(cli_quotes.quotes, "list", "--enterprise", "e-2") == "no quotes\n"
    text = ran(cli_quotes.quotes, "show", quote_id)
    assert "基准保费" in text and "Standardisation level" in text
    shown = told(cli_quotes.quotes, "show", quote_id)
    assert shown["worksheet"] == json.loads(json.dumps(document()))
    assert shown["since"]["premium"] == "15200.00"


def test_the_page_of_a_quote_is_written_whole_or_not_at_all(quote_id: str, tmp_path: Path) -> None:
    ran(cli_quotes.quotes, "override", quote_id, "--premium", "14000", "--by", "陈工", "--reason", "老客户")
    ran(cli_quotes.quotes, "show", quote_id, "--html", str(tmp_path / "quote.html"))
    page = (tmp_path / "quote.html").read_text(encoding="utf-8")
    assert quote_id in page and "老客户" in page and "基准保费" in page
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="no page can be written there"):
        ran(cli_quotes.quotes, "show", quote_id, "--html", str(tmp_path / "folder"))
    assert {one.name for one in tmp_path.iterdir()} - {"0"} == {"folder", "quote.html"}


def test_a_replay_is_told_and_listed(quote_id: str) -> None:
    assert ran(cli_quotes.quotes, "replay", quote_id).splitlines() == [
        f"{quote_id}: stored 15200.00 CNY, made again 15200.00",
        "reproduced to the cent, it rests on no score",
    ]
    again = told(cli_quotes.quotes, "replay", quote_id)
    assert (again["reproduced"], again["replayed"], again["replay"]) == (True, "15200.00", 2)
    assert [one["number"] for one in told(cli_quotes.quotes, "show", quote_id)["replays"]] == [1, 2]
    assert "replay 2 on " in ran(cli_quotes.quotes, "show", quote_id)


def test_an_override_is_told_with_both_premiums(quote_id: str) -> None:
    arguments = (quote_id, "--premium", "14000", "--by", "陈工", "--reason", "老客户")
    assert ran(cli_quotes.quotes, "override", *arguments) == f"{quote_id}: 14000.00 instead of 15200.00, by 陈工: 老客户\n"
    found = told(cli_quotes.quotes, "override", *arguments)
    assert (found["number"], found["before"], found["after"]) == (2, "14000.00", "14000.00")
    assert "override 1 on " in ran(cli_quotes.quotes, "show", quote_id)


def test_the_ledger_is_kept_and_told(quote_id: str) -> None:
    term = cli_term.term
    ran(term, "ledger", quote_id, "--received", "10000", "--day", "2025-01-02", *SIGNED)
    use = ("--used", "1500", "--item", "training", "--provider", "某公司", "--day", "2025-03-01", *SIGNED)
    text = ran(term, "ledger", quote_id, *use)
    assert "ledger 2 on 2025-03-01: used 1500.00 for training by 某公司 (invoice 1), entered by 陈工" in text
    assert "used 1500.00, remaining 600.00, still due 0" in text
    assert "不超过实收保费的21%" in text and "At most 21 %" in text
    found = told(term, "ledger", quote_id)
    assert [one["kind"] for one in found["entries"]] == ["received", "used"]
    assert (found["balance"]["most"], found["balance"]["remaining"], found["visits_a_year"]) == ("2100.00", "600.00", "4")


def test_an_adjustment_and_the_rebate_are_told(quote_id: str) -> None:
    term = cli_term.term
    text = ran(term, "adjust", quote_id, "--accident", "larger", "--day", "2025-07-02", *SIGNED)
    assert text.startswith("from 2025-07-02, 183 of 365 days left: +1524.16 CNY (accident larger, factor 1.2)\n[")
    assert text.endswith("premium 16724.16 CNY\n")
    found = told(term, "adjust", quote_id, "--overdue", "0", "--day", "2025-07-03", *SIGNED)
    assert (found["premium"], found["adjustments"][0]["amount"]) == ("16724.16", "0.00")
    ran(term, "ledger", quote_id, "--received", "16000", *SIGNED)
    settled = ran(term, "rebate", quote_id, "--fact", "accident_rate_change_1y=-0.1", *SIGNED)
    assert settled.startswith("800.00 CNY: 0.05 of 16000.00 received (accident_rate_down, by the facts of ")
    assert told(cli_quotes.quotes, "show", quote_id)["since"]["rebate"]["document"]["share"] == "0.05"


@pytest.mark.parametrize(
    ("app", "arguments", "error", "said"),
    [
        (cli_quotes.quotes, ["show", "q_9"], NotFound, "no quote q_9; `forewarn quotes list` shows them"),
        (cli_quotes.quotes, ["override", "ID", "--premium", "1x", "--by", "b", "--reason", "r"], BadInput, "'1x' is no amount"),
        (cli_quotes.quotes, ["override", "ID", "--premium", "1", "--by", " ", "--reason", "r"], BadInput, "--by: blank"),
        (cli_quotes.quotes, ["override", "ID", "--premium", "1", "--by", "b", "--reason", ""], BadInput, "--reason: blank"),
        (cli_term.term, ["ledger", "q_9"], NotFound, "no quote q_9"),
        (cli_term.term, ["ledger", "ID", "--received", "1", "--used", "1"], BadInput, "two lines at once"),
        (cli_term.term, ["ledger", "ID", "--received", "1", "--by", "b"], BadInput, "--evidence: blank"),
        (cli_term.term, ["ledger", "ID", "--received", "99999", *SIGNED], Conflict, "of a premium of 15200.00"),
        (cli_term.term, ["ledger", "ID", "--used", "1", *SIGNED], BadInput, "--item: blank"),
        (
            cli_term.term,
            ["ledger", "ID", "--used", "1", "--item", "i", "--provider", "p", *SIGNED],
            Conflict,
            "1.00 would pass the cap: 0.00 of 0.00 are left",
        ),
        (cli_term.term, ["ledger", "ID", "--received", "1", "--day", "1 May", *SIGNED], BadInput, "'1 May' is not a day"),
        (cli_term.term, ["adjust", "ID", "--by", "b"], BadInput, "what happened is not clear"),
        (
            cli_term.term,
            ["adjust", "ID", "--overdue", "1", "--as-of", "2025-02-01T00:00:00Z", "--by", "b"],
            BadInput,
            "not clear",
        ),
        (cli_term.term, ["adjust", "ID", "--accident", "bad", "--day", "2025-02-01", *SIGNED], BadInput, "no grade 'bad'"),
        (cli_term.term, ["adjust", "ID", "--overdue", "1", "--day", "2024-02-01", *SIGNED], BadInput, "outside the term"),
        (cli_term.term, ["rebate", "ID", "--fact", "credit", *SIGNED], BadInput, "'credit' is no fact"),
        (cli_term.term, ["rebate", "ID", "--fact", "credits=A", *SIGNED], BadInput, "did you mean 'credit'"),
        (cli_term.term, ["rebate", "ID", "--fact", "credit=D", *SIGNED], BadInput, "no code 'D'"),
        (cli_term.term, ["rebate", "ID", "--fact", "headcount=many", *SIGNED], BadInput, "'many' does not fit"),
        (cli_term.term, ["rebate", "ID", "--fact", "training_coverage=1.5", *SIGNED], BadInput, "'1.5' does not fit"),
        (cli_term.term, ["rebate", "ID", "--fact", "blacklisted=maybe", *SIGNED], BadInput, "neither true nor false"),
        (cli_term.term, ["rebate", "ID", "--fact", "credit=A", "--fact", "credit=B", *SIGNED], BadInput, "stated twice"),
        (cli_term.term, ["rebate", "ID", "--fact", "credit=A", "--by", "b"], BadInput, "--evidence: blank"),
        (cli_term.term, ["rebate", "ID", "--fact", "credit=A", *SIGNED], Conflict, "no premium was received"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_the_quote_as_it_was(
    quote_id: str, app: typer.Typer, arguments: list[str], error: type[UserError], said: str
) -> None:
    before = told(cli_quotes.quotes, "show", quote_id)
    with pytest.raises(error) as caught:
        RUN.invoke(app, [quote_id if one == "ID" else one for one in arguments], catch_exceptions=False)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert told(cli_quotes.quotes, "show", quote_id) == before


@pytest.fixture
def of_lake(
    store: str, risk_world: RiskWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[RiskWorld, Worksheet, str]:
    """A world of its own, and a quote for an enterprise of its lake with the worksheet that it keeps."""
    world = copied(risk_world, tmp_path / "world")
    monkeypatch.setenv("FOREWARN_HOME", str(world.home))
    settings.cache_clear()
    champion, rulebook = load_risk_champion(world.home), load("henan-example")
    basis = quotes.of_lake(Knowledge.of(world.lake), champion, world.ids[1], None)
    made = quotes.worksheet(world.home, rulebook, basis, quotes.Asked().terms(rulebook, basis.facts.as_of), champion)
    with opened(store) as kept:
        return world, made, quotes.keep(kept.engine, made, basis.score)


def test_a_quote_is_replayed_down_to_the_rows_it_rests_on(of_lake: tuple[RiskWorld, Worksheet, str]) -> None:
    world, made, quote_id = of_lake
    assert made.says is not None
    said = "reproduced to the cent, its score to the bit, its facts from the lake"
    assert told(cli_quotes.quotes, "replay", quote_id)["verdict"] == said
    # What becomes known later changes nothing.
    late(world, made.enterprise_id, made.facts.as_of - timedelta(days=3))
    assert told(cli_quotes.quotes, "replay", quote_id)["verdict"] == said
    shutil.rmtree(world.home / "bundles")
    again = told(cli_quotes.quotes, "replay", quote_id)
    assert (again["reproduced"], again["score"]) == (True, "not made again")
    assert "bundle" in again["score_why"]


def test_what_comes_out_otherwise_is_a_difference(store: str, of_lake: tuple[RiskWorld, Worksheet, str]) -> None:
    _, made, _ = of_lake
    assert made.says is not None
    with opened(store) as kept:
        other = quotes.keep(kept.engine, replace(made, says=replace(made.says, insured_loss=Decimal("1.5"))), None)
        hundred = replace(made.facts, known={**made.facts.known, "headcount": Fact("headcount", Decimal(7), "paper")})
        fewer = quotes.keep(kept.engine, replace(made, facts=hundred), None)
    found = told(cli_quotes.quotes, "replay", other)
    assert (found["reproduced"], found["score"]) == (False, "differs")
    assert f"model.insured_loss: stored 1.5, made again {made.says.insured_loss}" in found["differences"]
    assert found["replayed"] == found["premium"]
    assert found["verdict"].startswith("the same premium to the cent, but not all that stands behind it: ")
    found = told(cli_quotes.quotes, "replay", fewer)
    assert f"fact headcount: stored 7, in the lake {made.facts.value('headcount')}" in found["differences"]
    assert any(one.startswith("charge.") for one in found["differences"])


def late(world: RiskWorld, enterprise_id: str | None, when: datetime) -> None:
    """An accident that the lake is told of only now, under a date of then."""
    row = {"enterprise_id": enterprise_id, "event_time": when, "recorded_at": when, "accident_id": "a", "deaths": 1.0}
    rows = pa.Table.from_pylist([row | {"injuries": 0.0}], schema=ACCIDENTS.arrow)
    world.lake.append_rows(ACCIDENTS, rows, datetime.now(UTC), "late")


def test_what_is_otherwise_today_is_said_and_changes_no_cent(of_lake: tuple[RiskWorld, Worksheet, str]) -> None:
    world, made, quote_id = of_lake
    as_of, before = made.facts.as_of, made.facts.value("accidents_1y")

    def replayed() -> tuple[bool, str, list[str]]:
        found = told(cli_quotes.quotes, "replay", quote_id)
        assert found["replayed"] == found["premium"] == f"{made.charge.premium:f}"
        return found["reproduced"], found["score"], found["today"]

    assert replayed() == (True, "equal", [])
    # Recorded after the moment of the quote: nothing of that moment is otherwise.
    late(world, made.enterprise_id, as_of + timedelta(days=1))
    assert replayed() == (True, "equal", [])
    late(world, made.enterprise_id, as_of - timedelta(days=3))
    reproduced, score, today = replayed()
    assert (reproduced, score) == (True, "equal")
    said = f"fact accidents_1y of {as_of:%Y-%m-%d}: {before} then, {Decimal(str(before)) + 1} by the lake of today"
    assert said in today
    assert f"today: {said}" in ran(cli_quotes.quotes, "replay", quote_id).splitlines()
    shutil.rmtree(world.home / "lake")
    reproduced, score, today = replayed()
    assert (reproduced, score, today) == (True, "not made again", [])


def test_a_rulebook_that_is_otherwise_today_is_said(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = load("henan-example").source.replace('id = "henan-example"', 'id = "ours"')
    file = tmp_path / "home" / "rulebooks" / "ours.toml"
    file.parent.mkdir(parents=True)
    with opened(store) as kept:
        file.write_text(text, encoding="utf-8")
        quote_id = kept.add_quote(document(rulebook=str(file)))

    def today() -> list[str]:
        found = told(cli_quotes.quotes, "replay", quote_id)
        assert (found["reproduced"], found["replayed"]) == (True, "15200.00")
        lines: list[str] = found["today"]
        return lines

    stands = "the quote stands on the text that it kept"
    assert today() == []
    file.write_text("# another comment\n" + text, encoding="utf-8")
    assert today() == []
    file.write_text(text.replace("food = 160", "food = 170"), encoding="utf-8")
    assert today() == [f"rulebook ours was changed: {stands}"]
    file.write_text(text.replace("food = 160", "food = 170").replace('version = "1"', 'version = "2"'), encoding="utf-8")
    assert today() == [f"rulebook ours is version 2 today, then 1: {stands}"]
    file.write_text(text.replace("[base]", "[base"), encoding="utf-8")
    (line,) = today()
    assert line.startswith("rulebook ours cannot be used today (") and f"{file}, line " in line
    file.unlink()
    assert today() == [f"rulebook ours is there no more: {stands}"]


def test_accidents_of_the_lake_count_from_the_day_on_which_they_became_known(
    store: str, risk_world: RiskWorld, tmp_path: Path
) -> None:
    world = copied(risk_world, tmp_path / "world")
    one = world.ids[0]

    def accident(name: str, happened: datetime, days: int, deaths: float = 0.0) -> dict[str, Any]:
        row = {"enterprise_id": one, "event_time": happened, "recorded_at": happened + timedelta(days), "accident_id": name}
        return row | {"deaths": deaths, "injuries": 0.0}

    june = datetime(2025, 6, 1, 12, tzinfo=UTC)
    rows = [
        accident("before", june - timedelta(300), 1),
        accident("in", june, 20),
        accident("in", june, 90, deaths=4.0),
        accident("late", june + timedelta(200), 60),
    ]
    world.lake.append_rows(ACCIDENTS, pa.Table.from_pylist(rows, schema=ACCIDENTS.arrow), datetime.now(UTC), "accidents")

    def seen(as_of: datetime) -> list[tuple[str | None, str, str]]:
        found = noticed(world.lake, one, as_of, STARTS, ENDS, 0, "").accidents
        return [(each.accident_id, each.event.day.isoformat(), each.event.grade) for each in found]  # type: ignore[union-attr]

    assert seen(june + timedelta(19)) == []
    assert seen(june + timedelta(21)) == [("in", "2025-06-21", "ordinary")]
    assert seen(june + timedelta(91)) == [("in", "2025-06-21", "larger")]
    assert seen(june + timedelta(400)) == [("in", "2025-06-21", "larger"), ("late", "2025-12-31", "ordinary")]
    with opened(store) as kept:
        policy = PolicyTerm(kept, kept.add_quote(document(enterprise_id=one)))
        told_of = noticed(world.lake, one, june + timedelta(21), STARTS, ENDS, 0, "")
        [made] = policy.notice(told_of, "陈")
        assert made.document["evidence"].startswith("accidents: in of 2025-06-01, recorded 2025-06-21; ")
        assert made.amount == Decimal("807.89")  # 15,200 x 194 / 365 x 0.1
        assert policy.notice(noticed(world.lake, one, june + timedelta(91), STARTS, ENDS, 0, ""), "陈") == ()


def test_what_happened_is_read_of_the_lake_as_of_a_moment(
    store: str, risk_world: RiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(risk_world.home))
    settings.cache_clear()
    accidents, enterprises = (risk_world.lake.read(name).to_pylist() for name in ("accidents", "enterprises"))
    there = {row["enterprise_id"] for row in enterprises if row["recorded_at"] < datetime(2024, 3, 1, tzinfo=UTC)}
    hurt = [row["enterprise_id"] for row in accidents if row["enterprise_id"] in there]
    year = {"starts": date(2024, 3, 1), "ends": date(2024, 8, 31)}
    term, middle, after = cli_term.term, "2024-08-01T00:00:00Z", "2024-09-01T00:00:00Z"
    kinds: set[str] = set()
    for one in [*dict.fromkeys(hurt)][:2]:
        with opened(store) as kept:
            quote_id = kept.add_quote(document(enterprise_id=one, **year))
        made = told(term, "adjust", quote_id, "--as-of", middle, "--by", "陈")["adjustments"]
        kinds |= {each["document"]["kind"] for each in made}
        until = datetime(2024, 8, 1, tzinfo=UTC)
        known = {
            row["accident_id"]
            for row in accidents
            if row["enterprise_id"] == one
            and datetime(2024, 3, 1, tzinfo=UTC) <= row["event_time"]
            and max(row["recorded_at"], row["event_time"]) <= until
        }
        assert {each["document"]["accident_id"] for each in made} - {None} == known
        assert told(term, "adjust", quote_id, "--as-of", middle, "--by", "陈")["adjustments"] == []
        ran(term, "ledger", quote_id, "--received", "7000", *SIGNED)
        with pytest.raises(Conflict, match="the policy runs until 2024-08-31"):
            ran(term, "rebate", quote_id, "--as-of", middle, "--by", "陈")
        settled = told(term, "rebate", quote_id, "--by", "陈")
        assert settled["document"]["as_of"] == after.replace("Z", "+00:00")
        assert settled["amount"] in ("0.00", "350.00")
    assert kinds == {"accident", "overdue"}


def test_a_rebate_waits_for_the_end_of_the_term(store: str) -> None:
    begins = datetime.now(UTC).date()
    with opened(store) as kept:
        quote_id = kept.add_quote(document(starts=begins, ends=begins + timedelta(364)))
    ran(cli_term.term, "ledger", quote_id, "--received", "10", *SIGNED)
    for how in ([], ["--fact", "accident_rate_change_1y=-0.5", "--evidence", "paper"]):
        with pytest.raises(Conflict, match=f"the policy runs until {begins + timedelta(364)}, and it is {begins}"):
            ran(cli_term.term, "rebate", quote_id, "--by", "陈", *how)
    assert told(cli_quotes.quotes, "show", quote_id)["since"]["rebate"] is None


@pytest.mark.parametrize("enterprise", [None, "e-unknown"])
def test_whom_the_lake_does_not_know_is_said(
    store: str, risk_world: RiskWorld, monkeypatch: pytest.MonkeyPatch, enterprise: str | None
) -> None:
    monkeypatch.setenv("FOREWARN_HOME", str(risk_world.home))
    settings.cache_clear()
    with opened(store) as kept:
        quote_id = kept.add_quote(document(enterprise_id=enterprise))
    said = "quoted for a prospect" if enterprise is None else "enterprise e-unknown: not known to the lake at"
    with pytest.raises(UserError, match=said):
        ran(cli_term.term, "adjust", quote_id, "--as-of", "2025-03-01T00:00:00Z", "--by", "陈")
