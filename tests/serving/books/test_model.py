"""A book with the price score: a row is what a single quote says, of enterprises of the lake and of prospects."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from features.errors import BadInput, NotFound
from features.settings import Settings
from serving.books import charges, result
from serving.books import lake as book_lake
from serving.books.importing import Book, read_book
from serving.books.rate import Rating, rate
from serving.books.segments import cuts
from serving.pricing import quotes
from serving.pricing.prospects import Prospect
from serving.pricing.quoting import desk
from serving.risk_champion import load_risk_champion
from serving.risk_evidence import Knowledge
from serving.underwriting import rulebook
from serving.underwriting.facts import VOCABULARY
from serving.underwriting.terms import Terms
from tests.serving import book_world
from tests.serving.risk_world import RiskWorld, challenger_of, copied, point_at, withdraw
from training.enterprise.relativity_document import Relativity, keep

STARTS, ENDS = date(2026, 1, 1), date(2026, 12, 31)
RULES = "zhongshan-example"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    policies, claims = book_world.book(60)
    folder = tmp_path_factory.mktemp("book")
    return read_book(book_world.write_csv(folder / "b.csv", policies), book_world.write_csv(folder / "c.csv", claims))


def rated(world: RiskWorld, book: Book, *bundles: str | None, **how: object) -> list[Rating]:
    config = Settings(home=world.home, threads=1)
    return rate(config, book, [(RULES, bundle) for bundle in bundles or (None,)], **({"starts": STARTS} | how))


def of_the_lake(world: RiskWorld, as_of: date) -> Book:
    """A policy of each of ten enterprises of the lake; the sheet states one fact that the lake does not know of."""
    ids = world.ids[:10]
    policies = {
        "policy_id": [f"P{place}" for place in range(10)], "enterprise_id": ids, "starts": [STARTS] * 10, "ends": [ENDS] * 10,
        "as_of": [as_of] * 10, "premium": [1000.0] * 10, "limit_per_person": [500_000.0] * 10, "award": ["city"] * 10,
        "row": list(range(2, 12)),
    }  # fmt: skip
    claims = {name: [] for name in ("claim_id", "policy_id", "happened", "valued_at", "paid", "reserved")}
    return Book("lake", "CNY", pa.table(policies), pa.table(claims))


def day_of(world: RiskWorld) -> date:
    return Knowledge.of(world.lake).until.date()


def test_a_policy_of_the_lake_is_a_quote_of_its_enterprise(risk_world: RiskWorld) -> None:
    day = day_of(risk_world)
    found = rated(risk_world, of_the_lake(risk_world, day))[0].rated
    champion, known = load_risk_champion(risk_world.home), Knowledge.of(risk_world.lake)
    rules = rulebook.load(RULES)
    terms = Terms(STARTS, ENDS, "CNY", Decimal(500_000))
    for place, name in enumerate(risk_world.ids[:10]):
        basis = quotes.of_lake(known, champion, name, datetime(day.year, day.month, day.day, tzinfo=UTC), evidence=False)
        sheet = quotes.worksheet(risk_world.home, rules, basis, terms, champion)
        assert found.premiums[place] == sheet.charge.premium
        assert found.losses[place] == pytest.approx(float(sheet.says.insured_loss), rel=1e-9)


def weighed(world: RiskWorld) -> rulebook.Rulebook:
    """A relativity as if fitted for the rulebook and the world's bundle."""
    rules, bundle_id = rulebook.load(RULES), world.bundle.manifest.bundle_id
    now = datetime(2026, 1, 1, tzinfo=UTC)
    fitted = Relativity(
        rulebook=rules.id, version=rules.version, digest=rules.digest, bundle_id=bundle_id, snapshot_id="s", made_at=now,
        first=now, last=now, rows=10, left_out=0, enterprises=3, accidents=120.0, level=2.5, level_low=2.0, level_high=3.0,
        weight=0.7, weight_low=0.5, weight_high=0.9,
    )  # fmt: skip
    keep(world.home, fitted.sealed())
    return rules


def test_with_a_fitted_relativity_a_row_is_a_quote_to_the_cent(risk_world: RiskWorld, book: Book, tmp_path: Path) -> None:
    world = copied(risk_world, tmp_path / "home")
    plain, rules, day = rated(world, of_the_lake(world, day_of(world)))[0].rated, weighed(world), day_of(world)
    known, prospects = (rated(world, one)[0].rated for one in (of_the_lake(world, day), book))
    assert known.premiums != plain.premiums and "model" in [step.stage for step in known.steps]
    with desk(world.home, f"sqlite:///{tmp_path / 'store.db'}", lake=True) as at:
        for place, name in enumerate(world.ids[:10]):
            basis = at.of_lake(name, datetime(day.year, day.month, day.day, tzinfo=UTC))
            terms = Terms(STARTS, ENDS, "CNY", Decimal(500_000))
            assert known.premiums[place] == quotes.worksheet(world.home, rules, basis, terms, at.champion).charge.premium
        for place, row in enumerate(book.policies.to_pylist()[:20]):
            own = {**row, "starts": STARTS, "ends": date.fromordinal(STARTS.toordinal() + (row["ends"] - row["starts"]).days)}
            told = charges.facts_of({**own, "as_of": row["starts"]}, list(VOCABULARY), "CNY")
            basis = at.of_prospect(Prospect(told, {}, row["name"]))
            sheet = quotes.worksheet(world.home, rules, basis, charges.terms_of(own, rules), at.champion)
            assert prospects.premiums[place] == sheet.charge.premium


def test_a_page_looks_at_what_the_lake_knows(risk_world: RiskWorld, tmp_path: Path) -> None:
    found = rated(risk_world, of_the_lake(risk_world, day_of(risk_world)))[0]
    assert {"industry", "headcount"} <= set(found.facts.column_names) - set(found.book.policies.column_names)
    assert found.facts.column("industry").null_count == 0 and len(cuts(found.facts)) > 1


def test_what_a_row_is_told_does_not_hang_on_its_neighbours(
    risk_world: RiskWorld, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rated(risk_world, book)[0].rated
    monkeypatch.setattr(book_lake, "_PROSPECTS", 7)
    parts = rated(risk_world, book)[0].rated
    alone = rated(risk_world, book.only(pa.array([place == 13 for place in range(60)])))[0].rated
    np.testing.assert_array_equal(parts.losses, whole.losses)
    assert alone.losses[0] == whole.losses[13] and alone.premiums[0] == whole.premiums[13] and whole.losses.min() > 0


def test_the_order_of_policies_never_matters_to_the_model(risk_world: RiskWorld, book: Book, tmp_path: Path) -> None:
    world = copied(risk_world, tmp_path / "home")
    weighed(world)
    order = np.random.default_rng(3).permutation(len(book))
    turned = Book(book.name, book.currency, book.policies.take(pa.array(order)), book.claims)
    one, other = (rated(world, each)[0].kept_to(book.charged).rated for each in (book, turned))
    assert len({step.ratio.tobytes() for step in one.steps if step.stage == "model"} - {np.ones(len(book)).tobytes()}) == 1
    assert dict(zip(one.keys, one.premiums, strict=True)) == dict(zip(other.keys, other.premiums, strict=True))
    assert dict(zip(one.keys, one.final, strict=True)) == dict(zip(other.keys, other.final, strict=True))
    np.testing.assert_array_equal(one.losses[order], other.losses)


def test_two_bundles_are_compared(risk_world: RiskWorld, book: Book, tmp_path: Path) -> None:
    world = copied(risk_world, tmp_path / "home")
    other = challenger_of(world.bundle)
    point_at(world.home, other)
    one, two = rated(world, book, world.bundle.manifest.bundle_id, None)
    assert two.rated.bundle_id == other.manifest.bundle_id != one.rated.bundle_id
    assert result.moved(one, two).total.sum() == 0  # it says the same under another name
    with pytest.raises(NotFound, match="no bundle nobody"):
        rated(world, book, "nobody")


def test_facts_that_contradict_each_other_are_named_by_their_policy(risk_world: RiskWorld, book: Book) -> None:
    table = book.policies
    wrong = pa.array(
        [5.0 if place in (3, 40) else value for place, value in enumerate(table.column("clean_years").to_pylist())]
    )
    broken = Book(
        book.name, book.currency, table.set_column(table.column_names.index("clean_years"), "clean_years", wrong), book.claims
    )
    with pytest.raises(BadInput, match=r"policy P000003 \(row 5\): more clean years than years on record.*\(1 more fault"):
        rated(risk_world, broken)
    assert len(rated(risk_world, broken, leave_out=True)[0].left_out) == 2


def test_who_has_not_consented_is_not_scored(risk_world: RiskWorld, tmp_path: Path) -> None:
    world = copied(risk_world, tmp_path / "home")
    day = day_of(world)
    withdraw(world.lake, world.ids[2], datetime(day.year, day.month, day.day, tzinfo=UTC))
    with pytest.raises(BadInput, match=r"policy P2 .*has not consented"):
        rated(world, of_the_lake(world, day))
