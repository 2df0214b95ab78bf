"""Bad input of every underwriting verb: one line that says where and what mends it, exit code 2, and nothing written."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook

import forewarn
from features.settings import settings
from serving.pricing.store import opened
from serving.underwriting.rulebook import load
from tests.serving.quoted import document
from tests.serving.risk_world import RiskWorld, assembled, copied, point_at

SIGNED = ["--evidence", "invoice 1", "--by", "陈工"]
TERMS = "[terms]\nlimit_per_person = 600000\n"
FACTS = '[facts]\nindustry = "food"\nheadcount = 100\nstandardisation = "2"\n'
HENAN = load("henan-example").source
POLICIES = "policy_id,industry,headcount,starts,ends,premium,limit_per_person\n"
POLICY = "p1,food,100,2026-01-01,2026-12-31,9000,600000\n"
MERGED = object()
# Files that a case may name, as they are written.
FILES: dict[str, Any] = {
    "lapsed.toml": HENAN.replace("2027-12-31", "2025-12-31").replace('id = "henan-example"', 'id = "lapsed"'),
    "torn.toml": HENAN.replace("[base]", "[base"),
    "uncited.toml": HENAN.replace('clause = "base"\n', ""),
    "dollars.toml": HENAN.replace('currency = "CNY"', 'currency = "USD"'),
    "latin.toml": HENAN.encode("gb18030"),
    "good.toml": FACTS,
    "misspelt.toml": FACTS.replace("headcount", "headcuont"),
    "misspelt_term.toml": FACTS + TERMS.replace("limit_per_person", "limit_per_persn"),
    "misspelt_top.toml": 'curency = "CNY"\n' + FACTS,
    "dollar_facts.toml": 'currency = "USD"\n' + FACTS,
    "dollar_terms.toml": FACTS + TERMS + 'currency = "USD"\n',
    "no_base.toml": FACTS.replace("headcount = 100\n", ""),
    "no_industry.toml": FACTS.replace('industry = "food"\n', ""),
    "no_rate.toml": FACTS.replace('"food"', '"motoring"'),
    "no_level.toml": FACTS + 'risk_level = "violet"\nregion = "zhongshan"\n',
    "unknown_code.toml": FACTS.replace('"2"', '"5"'),
    "above_all.toml": FACTS + "training_coverage = 1.5\n",
    "part_of_one.toml": FACTS + "accidents_1y = 1.5\n",
    "cannot_be.toml": FACTS + "accidents_1y = 1\nclean_years = 2\n",
    "backwards.toml": FACTS + "[terms]\nstarts = 2026-05-01\nends = 2026-04-01\n",
    "negative.toml": FACTS + "[terms]\nlimit_per_person = -1\n",
    "crowd.toml": FACTS + "accidents_1y = 2000000000\n",
    "ancient.toml": "as_of = 0001-01-01\n" + FACTS,
    "half_a_person.toml": FACTS + "[terms]\nheadcount = 100.5\n",
    "more_persons.toml": FACTS + "[terms]\nheadcount = 150\n",
    "free.toml": FACTS + "[terms]\nlimit_per_person = 0\n",
    "twice.json": '{"facts": {"industry": "food", "headcount": 100, "headcount": 5}}',
    "far.csv": POLICIES + POLICY.replace("2026-", "9999-"),
    "vast.csv": POLICIES + POLICY.replace("100", "1e99"),
    "broken.toml": FACTS.replace("headcount = 100", "headcount = "),
    "broken.json": '{"facts": {"headcount": 1',
    "list.json": "[1, 2]",
    "merged.xlsx": MERGED,
    "good.csv": POLICIES + POLICY,
    "twice.csv": POLICIES + POLICY + POLICY,
    "mixed.csv": POLICIES.replace("\n", ",currency\n") + POLICY.replace("\n", ",CNY\n") + "p2" + POLICY[2:-1] + ",USD\n",
    "no_id.csv": POLICIES.replace("policy_id,", "") + POLICY.replace("p1,", ""),
    "headcuont.csv": POLICIES.replace("headcount", "headcuont") + POLICY,
    "backwards.csv": POLICIES + POLICY.replace("2026-12-31", "2025-12-31"),
    "claims.csv": "claim_id,policy_id,happened,valued_at,paid,reserved\nc1,nobody,2026-01-05,2026-02-01,10,0\n",
    "blank.csv": "",
}
# Command, what its line says. E: an enterprise; Q: a quote for another; W: a what-if of it; a name of a file: that file.
CASES: dict[str, tuple[list[str], str]] = {
    # Quote
    "nobody": (["quote"], "name an enterprise of the lake, or a prospect's file; give ENTERPRISE or --facts FILE"),
    "both": (["quote", "E", "--facts", "good.toml"], "name an enterprise of the lake, or a prospect's file"),
    "unknown enterprise": (["quote", "e-9"], "enterprise e-9: not in the lake; import its row"),
    "not known yet": (["quote", "E", "--as-of", "2001-01-01T00:00:00Z"], "was not known at 2001-01-01T00:00:00+00:00"),
    "no zone": (["quote", "E", "--as-of", "2024-06-01T00:00:00"], "--as-of: "),
    "future": (["quote", "E", "--as-of", "2124-06-01T00:00:00Z"], "--as-of: lies in the future"),
    "no rulebook": (["quote", "E", "--rulebook", "henan"], "rulebook: no rulebook 'henan'; name a .toml file or one of"),
    "no file": (["quote", "E", "--rulebook", "nowhere.toml"], "nowhere.toml: no such file"),
    "lapsed": (
        ["quote", "--facts", "good.toml", "--rulebook", "lapsed.toml", "--starts", "2026-02-01"],
        "rulebook lapsed: lapsed on 2026-02-01: it is in force from 2024-01-01 to 2025-12-31; name the rulebook of that time",
    ),
    "torn rulebook": (["quote", "E", "--rulebook", "torn.toml"], "torn.toml, line 80: not readable as TOML"),
    "uncited": (["quote", "E", "--rulebook", "uncited.toml"], "base is uncited: it names no clause; name the clause"),
    "not UTF-8": (["quote", "E", "--rulebook", "latin.toml"], "latin.toml: not text in UTF-8; save the file as UTF-8"),
    "currency of the rulebook": (["quote", "E", "--rulebook", "dollars.toml"], "CNY"),
    "misspelt fact": (["quote", "E", "--fact", "avard=city"], "no fact 'avard' (did you mean 'award'?)"),
    "fact of the lake": (["quote", "E", "--fact", "industry=food"], "the lake knows industry"),
    "no such code": (["quote", "E", "--fact", "award=world"], "fact award: no code 'world'"),
    "misspelt change": (["quote", "E", "--if", "overdue_hazard=0"], "did you mean 'overdue_hazards'?"),
    "change out of bounds": (["quote", "E", "--if", "training_coverage=2"], "fact training_coverage: '2' does not fit"),
    "half a hazard": (["quote", "E", "--if", "overdue_hazards=0.5"], "fact overdue_hazards: 0.5 is no whole number; state"),
    "no change": (["quote", "E", "--if", "training_coverage"], "'training_coverage' is no fact; write it as FACT=VALUE"),
    "no day": (["quote", "E", "--starts", "2026-13-01"], "--starts: '2026-13-01' is no day; write it as 2026-01-31"),
    "end of time": (["quote", "E", "--starts", "9999-12-31"], "terms: a policy of 9999-12-31; name days until 2200-12-31"),
    "to the end of time": (["quote", "E", "--starts", "9995-01-01", "--ends", "9999-12-31"], "a policy of 9995-01-01"),
    "no limit per person": (["quote", "E", "--limit-per-person", "0"], "terms: limit_per_person is 0.00; state an amount"),
    "nothing left to pay": (
        ["quote", "E", "--limit-per-accident", "1000", "--deductible", "1000"],
        "terms: a deductible of 1000.00 leaves nothing of limit_per_accident 1000.00; lower the deductible",
    ),
    "a change beyond reckoning": (["quote", "E", "--if", "headcount=1e999999"], "fact headcount: 1e+999999 is not to be"),
    "a crowd of changes": (["quote", "E", "--if", "accidents_1y=3000000000"], "more than 10000 accidents of the last year"),
    "founded later": (["quote", "E", "--if", "founded=9999-01-01"], "founded before 1700, or after the day of the facts"),
    "wrong way round": (
        ["quote", "E", "--starts", "2026-05-01", "--ends", "2026-04-30"],
        "terms: it ends on 2026-04-30, before it starts on 2026-05-01; correct the days",
    ),
    "ten years": (["quote", "E", "--starts", "2026-05-01", "--ends", "2056-04-30"], "it runs more than 10 years"),
    "negative limit": (["quote", "E", "--limit-per-person", "-1"], "terms: limit_per_person is -1.00; state an amount above 0"),
    "no limit": (["quote", "E", "--limit-aggregate", "0"], "limit_aggregate is 0.00"),
    "low limit": (["quote", "E", "--limit-per-person", "10"], "limit"),
    "negative deductible": (["quote", "E", "--deductible", "-5"], "deductible is -5.00; state an amount of at least 0"),
    "no amount": (["quote", "E", "--deductible", "much"], "--deductible: 'much' is no amount; write it as 12345.67"),
    "tenths of a cent": (["quote", "E", "--limit-per-accident", "1.005"], "'1.005' is no amount"),
    "page nowhere": (["quote", "E", "--html", "FOLDER"], "FOLDER: no page can be written there; name a file"),
    # A prospect's file
    "no facts": (["quote", "--facts", "nowhere.toml"], "nowhere.toml: no such file; name a TOML or JSON file of facts"),
    "folder": (["quote", "--facts", "."], "no such file"),
    "broken TOML": (["quote", "--facts", "broken.toml"], "broken.toml: not to be read"),
    "broken JSON": (["quote", "--facts", "broken.json"], "broken.json: not to be read"),
    "list": (["quote", "--facts", "list.json"], "not a table of names and values"),
    "spreadsheet": (["quote", "--facts", "merged.xlsx"], "merged.xlsx: not to be read"),
    "misspelt key": (["quote", "--facts", "misspelt.toml"], "misspelt.toml, line 3, facts.headcuont: unknown key"),
    "misspelt term": (["quote", "--facts", "misspelt_term.toml"], "did you mean limit_per_person?"),
    "misspelt top": (["quote", "--facts", "misspelt_top.toml"], "did you mean currency?"),
    "facts in dollars": (["quote", "--facts", "dollar_facts.toml"], "USD"),
    "terms in dollars": (["quote", "--facts", "dollar_terms.toml"], "USD"),
    "missing evidence": (["quote", "--facts", "no_base.toml"], "base: the fact 'headcount' is not known; record or state"),
    "missing industry": (["quote", "--facts", "no_industry.toml"], "the industry is not stated"),
    "outside the base": (["quote", "--facts", "no_rate.toml"], "motoring"),
    "outside a factor": (["quote", "--facts", "no_level.toml", "--rulebook", "zhongshan-example"], "violet"),
    "unknown code": (["quote", "--facts", "unknown_code.toml"], "line 4, facts.standardisation: '5' is not among its codes"),
    "more than all": (["quote", "--facts", "above_all.toml"], "1.5 is out of its bounds; it is at least 0 and at most 1"),
    "part of one": (["quote", "--facts", "part_of_one.toml"], "1.5 is no whole number"),
    "a crowd": (["quote", "--facts", "crowd.toml"], "more than 10000 accidents of the last year; correct accidents_1y"),
    "ancient facts": (["quote", "--facts", "ancient.toml"], "the facts are of a day before 1970"),
    "half a person": (["quote", "--facts", "half_a_person.toml"], "line 6, terms.headcount: 100.5 is no whole number"),
    "more persons": (["quote", "--facts", "more_persons.toml"], "150 persons are covered, and the premium goes by 100"),
    "cover for nothing": (["quote", "--facts", "free.toml"], "limit_per_person is 0; state an amount above 0"),
    "named twice": (["quote", "--facts", "twice.json"], "twice.json: 'headcount' is there twice; write it once"),
    "cannot be": (["quote", "--facts", "cannot_be.toml"], "an accident in the last year beside a clean year"),
    "file wrong way round": (["quote", "--facts", "backwards.toml"], "it ends on 2026-04-01, before it starts"),
    "file negative": (["quote", "--facts", "negative.toml"], "limit_per_person is -1"),
    "two moments": (
        ["quote", "--facts", "good.toml", "--as-of", "2024-06-01T00:00:00Z"],
        "--as-of: the facts file names its own moment",
    ),
    # Stored quotes
    "no quote": (["quotes", "show", "q_9"], "quote id: no quote q_9; `forewarn quotes list` shows them"),
    "no replay": (["quotes", "replay", "q_9"], "quote id: no quote q_9"),
    "no number": (["quotes", "list", "--limit", "0"], "Invalid value for '--limit'"),
    "override without by": (["quotes", "override", "Q", "--premium", "1", "--reason", "r"], "Missing option '--by'"),
    "override without reason": (["quotes", "override", "Q", "--premium", "1", "--by", "b"], "Missing option '--reason'"),
    "override by nobody": (["quotes", "override", "Q", "--premium", "1", "--by", " ", "--reason", "r"], "--by: blank"),
    "override for nothing": (["quotes", "override", "Q", "--premium", "1", "--by", "b", "--reason", "\t"], "--reason: blank"),
    "override below 0": (["quotes", "override", "Q", "--premium", "-1", "--by", "b", "--reason", "r"], "the premium is -1.00"),
    "override of none": (["quotes", "override", "q_9", "--premium", "1", "--by", "b", "--reason", "r"], "no quote q_9"),
    "override of a what-if": (
        ["quotes", "override", "W", "--premium", "1", "--by", "b", "--reason", "r"], "a what-if charges nobody",
    ),
    "page of none": (["quotes", "show", "Q", "--html", "FOLDER"], "FOLDER: no page can be written there"),
    # The term
    "term of none": (["term", "ledger", "q_9"], "no quote q_9"),
    "term of a what-if": (["term", "ledger", "W", "--received", "1", *SIGNED], "a what-if charges nobody"),
    "no evidence": (["term", "ledger", "Q", "--received", "1", "--by", "b"], "--evidence: blank"),
    "unsigned": (["term", "ledger", "Q", "--received", "1", "--evidence", "e"], "--by: blank"),
    "too much received": (["term", "ledger", "Q", "--received", "15200.01", *SIGNED], "of a premium of 15200.00"),
    "more returned": (["term", "ledger", "Q", "--received", "-1", *SIGNED], "more premium returned than received"),
    "over the cap": (
        ["term", "ledger", "Q", "--used", "0.01", "--item", "i", "--provider", "p", *SIGNED],
        "ledger: 0.01 would pass the cap: 0.00 of 0.00 are left",
    ),
    "used below 0": (["term", "ledger", "Q", "--used", "-1", "--item", "i", "--provider", "p", *SIGNED], "a use of -1.00"),
    "outside the term": (
        ["term", "adjust", "Q", "--overdue", "1", "--day", "2026-01-01", *SIGNED],
        "adjustment: 2026-01-01 lies outside the term, 2025-01-01 to 2025-12-31; name a day of the term",
    ),
    "not come yet": (["term", "adjust", "Q", "--overdue", "1", "--day", "2190-01-01", *SIGNED], "lies in the future"),
    "paid in the future": (
        ["term", "ledger", "Q", "--received", "1", "--day", "9999-12-31", *SIGNED], "--day: 9999-12-31 lies in the future",
    ),
    "no grade": (["term", "adjust", "Q", "--accident", "grave", "--day", "2025-07-01", *SIGNED], "no grade 'grave'"),
    "negative hazards": (["term", "adjust", "Q", "--overdue", "-1", *SIGNED], "Invalid value for '--overdue'"),
    "nothing happened": (["term", "adjust", "Q", "--by", "b"], "what happened is not clear"),
    "not of the lake": (
        ["term", "adjust", "Q", "--as-of", "2025-07-01T00:00:00Z", "--by", "b"], "enterprise e-1: not known to the lake",
    ),
    "rebate of nothing": (["term", "rebate", "Q", "--fact", "credit=A", *SIGNED], "no premium was received"),
    "rebate by a misspelt fact": (["term", "rebate", "Q", "--fact", "credits=A", *SIGNED], "did you mean 'credit'"),
    # Rulebooks and books
    "show a torn rulebook": (["rulebook", "show", "torn.toml"], "torn.toml, line 80: "),
    "check no rulebook": (["rulebook", "check", "nowhere.toml"], "nowhere.toml: no such file"),
    "merged headers": (["book", "import", "merged.xlsx"], "merged.xlsx, sheet Policies: cells A1:B1 are merged; unmerge"),
    "twice": (["book", "import", "twice.csv"], "twice.csv, row 3"),
    "mixed currencies": (["book", "import", "mixed.csv"], "USD"),
    "no policy id": (["book", "import", "no_id.csv"], "policy_id"),
    "misspelt column": (["book", "import", "headcuont.csv"], "headcuont"),
    "book wrong way round": (["book", "import", "backwards.csv"], "row 2"),
    "claims of nobody": (["book", "import", "good.csv", "--claims", "claims.csv"], "nobody"),
    "empty book": (["book", "import", "blank.csv"], "blank.csv"),
    "beyond reckoning": (["book", "import", "vast.csv"], "row 2, column headcount: 1e99 is not to be reckoned with"),
    "no book": (["book", "rate", "b_9", "--rulebook", "henan-example"], "b_9"),
}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """A home with a lake, a champion and a store, and whose files it has."""

    folder: Path
    words: dict[str, str]

    def contents(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}


def written(folder: Path) -> None:
    for name, content in FILES.items():
        if content is MERGED:
            workbook = Workbook()
            sheet = workbook.active
            assert sheet is not None
            sheet.title = "Policies"
            for row in (["Accidents", None], ["1y", "3y"], [1, 2]):
                sheet.append(row)
            sheet.merge_cells("A1:B1")
            workbook.save(folder / name)
        else:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "FOLDER").mkdir()


@pytest.fixture(scope="module")
def desk(risk_world: RiskWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    world = copied(risk_world, folder / "home")
    written(folder)
    with opened(f"sqlite:///{world.home}/store/forewarn.db") as kept:
        quote_id = kept.add_quote(document())
        what_if = kept.add_quote(document(standardisation="1"), kind="what-if", parent=quote_id)
    yield Desk(folder, {"E": world.ids[1], "Q": quote_id, "W": what_if})


Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    """Type a command in the folder of a desk; gives exit code, stdout, stderr."""

    def run(desk: Desk, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(desk.folder)
        monkeypatch.setenv("FOREWARN_HOME", str(desk.folder / "home"))
        monkeypatch.setattr(sys, "argv", ["forewarn", *(desk.words.get(one, one) for one in arguments)])
        settings.cache_clear()
        with pytest.raises(SystemExit) as end:
            forewarn.main()
        return int(str(end.value.code)), *capsys.readouterr()

    yield run
    settings.cache_clear()


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_nothing_written(desk: Desk, typed: Typed, case: str) -> None:
    arguments, said = CASES[case]
    before = desk.contents()
    code, out, line = typed(desk, *arguments)
    assert (code, out) == (2, ""), line
    assert line.startswith("forewarn: ") and line.count("\n") == 1 and line.endswith("\n")
    assert said in line
    # Where, what, and what mends it.
    assert line.count(": ") >= 2 and "; " in line, line
    assert "Traceback" not in line and "Error" not in line
    after = desk.contents()
    assert after.keys() == before.keys()
    assert [path for path, content in before.items() if after[path] != content] == []


def test_the_desk_quotes_what_is_right(desk: Desk, typed: Typed, tmp_path: Path, risk_world: RiskWorld) -> None:
    """The same files and enterprise without the mistakes: else everything above would be refused for another reason."""
    right = replace(desk, folder=tmp_path)
    copied(risk_world, tmp_path / "home")
    written(tmp_path)
    for arguments in (["quote", "E"], ["quote", "--facts", "good.toml", "--html", "page.html"], ["book", "import", "good.csv"]):
        code, out, line = typed(right, *arguments)
        assert code == 0 and out, line
    assert (tmp_path / "page.html").is_file()


def test_a_bundle_that_knows_no_persons_is_named(desk: Desk, typed: Typed, tmp_path: Path, risk_world: RiskWorld) -> None:
    world = copied(risk_world, tmp_path / "home")
    old, golden = risk_world.bundle, np.array(risk_world.bundle.manifest.golden.x, dtype=np.float32)
    point_at(world.home, assembled(old.models, old.severity.model_copy(update={"persons": None}), golden, "old"))
    right = replace(desk, folder=tmp_path)
    (tmp_path / "good.toml").write_text(FACTS, encoding="utf-8")
    with opened(f"sqlite:///{world.home}/store/forewarn.db") as kept:
        assert kept.quotes() == ()
    before = right.contents()
    for arguments in (["quote", "E"], ["quote", "--facts", "good.toml"]):
        code, out, line = typed(right, *arguments)
        assert (code, out, line.count("\n")) == (2, "", 1)
        assert "the bundle does not know how many persons an accident harms; " in line
    assert right.contents() == before


def test_a_store_that_cannot_be_is_named(desk: Desk, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("sqlite:////proc/nowhere/store.db", f"sqlite:///{desk.folder}/FOLDER", "postgresql://nobody@localhost:1/none"):
        monkeypatch.setenv("FOREWARN_STORE_URL", url)
        for arguments in (["quotes", "list"], ["quote", "--facts", "good.toml"], ["term", "ledger", "q_9"]):
            code, out, line = typed(desk, *arguments)
            assert (code, out, line.count("\n")) == (2, "", 1), line
