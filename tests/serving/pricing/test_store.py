"""Quotes: kept as they were, replayed to the cent, overridden by name, and never half written."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from features.errors import BadInput, Conflict, NotFound
from serving import store
from serving.books.store import PART_ROWS, BookStore
from serving.pricing.replay import replay_quote
from serving.pricing.store import QuoteStore, opened
from serving.pricing.tables import metadata, quotes, rulebooks
from serving.underwriting.rulebook import load
from tests.serving.quoted import document, says
from tests.serving.test_store import ROW

PREMIUM = Decimal("15200.00")  # 100 persons x CNY 160 x 0.95


@pytest.fixture
def kept(url: str) -> Iterator[QuoteStore]:
    with opened(url) as found:
        yield found


def count(kept: QuoteStore, table: sa.Table) -> int:
    with kept.engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_a_quote_comes_back_as_it_was(kept: QuoteStore) -> None:
    made = document(says=says("s_1"))
    quote_id = kept.add_quote(made)
    quote = kept.quote(quote_id)
    assert quote.document == json.loads(json.dumps(made))
    assert list(quote.document["charge"]) == list(made["charge"])
    assert (quote.premium, quote.currency, quote.kind, quote.parent) == (
        Decimal(made["charge"]["premium"]),
        "CNY",
        "quote",
        None,
    )
    assert (quote.rulebook_id, quote.rulebook_digest) == ("henan-example", load("henan-example").digest)
    assert (quote.enterprise_id, quote.name, quote.score_id) == ("e-1", "食品厂", "s_1")
    assert quote.as_of.isoformat() == "2024-12-20T00:00:00+00:00"
    assert len(quote_id) == 28


def test_the_newest_quotes_come_first_of_one_enterprise_or_of_all(kept: QuoteStore) -> None:
    ids = [kept.add_quote(document(enterprise_id=one)) for one in ("e-1", "e-2", "e-1", None)]
    assert [one.quote_id for one in kept.quotes()] == ids[::-1]
    assert [one.quote_id for one in kept.quotes(limit=2)] == ids[:1:-1]
    assert [one.quote_id for one in kept.quotes("e-1")] == [ids[2], ids[0]]
    assert kept.quotes("e-9") == ()


def test_a_rulebook_is_kept_once(kept: QuoteStore) -> None:
    for _ in range(3):
        kept.add_quote(document())
    kept.add_quote(document(rulebook="zhongshan-example", region="zhongshan", years_clean=Decimal(1)))
    assert count(kept, rulebooks) == 2


def test_what_is_not_there_is_named(kept: QuoteStore) -> None:
    for call in (kept.quote, kept.policy, kept.replays, BookStore(kept.engine).book):
        with pytest.raises(NotFound, match=r"no (quote|book) q_9"):
            call("q_9")
    with pytest.raises(NotFound, match="no quote q_9"):
        kept.add_quote(document(), kind="what-if", parent="q_9")
    with pytest.raises(NotFound, match="no quote q_9"):
        kept.add_override("q_9", Decimal(1), "陈", "because")
    assert count(kept, quotes) == 0


def test_an_override_leaves_the_quote_and_keeps_both_premiums(kept: QuoteStore) -> None:
    quote_id = kept.add_quote(document())
    before = kept.quote(quote_id)
    assert before.premium == PREMIUM
    kept.add_override(quote_id, Decimal("14000"), " 陈工 ", "long-standing customer")
    second = kept.add_override(quote_id, Decimal("13999.99"), "李", "corrected")
    assert (second.number, second.before, second.after) == (2, Decimal("14000"), Decimal("13999.99"))
    first, _ = kept.policy(quote_id).overrides
    assert (first.by, first.reason, first.before, first.after) == ("陈工", "long-standing customer", PREMIUM, Decimal("14000"))
    assert kept.policy(quote_id).premium == Decimal("13999.99")
    assert kept.quote(quote_id) == before


@pytest.mark.parametrize(
    ("premium", "by", "reason", "what"),
    [
        ("1", "", "r", "--by: blank"),
        ("1", " \t", "r", "--by: blank"),
        ("1", "b", "\u3000", "--reason: blank"),
        ("0", "b", "r", "the premium is 0"),
        ("-1", "b", "r", "the premium is -1"),
        ("nan", "b", "r", "the premium is NaN"),
        ("1e30", "b", "r", "the premium is 1E"),
        ("1.005", "b", "r", "the premium is 1.005"),
    ],
)
def test_an_override_nobody_answers_for_is_refused(tmp_path: Path, premium: str, by: str, reason: str, what: str) -> None:
    with opened(f"sqlite:///{tmp_path}/store.db") as kept:
        quote_id = kept.add_quote(document())
        with pytest.raises(BadInput, match=what):
            kept.add_override(quote_id, Decimal(premium), by, reason)
        assert kept.policy(quote_id).overrides == ()


def test_a_quote_and_its_what_if_are_kept_both_or_neither(kept: QuoteStore) -> None:
    quote_id, other = kept.add_pair(document(), document(standardisation="1"))
    assert (kept.quote(quote_id).kind, kept.quote(other).kind, kept.quote(other).parent) == ("quote", "what-if", quote_id)
    before = kept.quotes()
    with pytest.raises(KeyError):
        kept.add_pair(document(), {**document(), "charge": {}})
    assert kept.quotes() == before


def test_a_what_if_names_its_quote_and_charges_nobody(kept: QuoteStore) -> None:
    quote_id = kept.add_quote(document())
    other = kept.add_quote(document(standardisation="1"), kind="what-if", parent=quote_id)
    assert (kept.quote(other).kind, kept.quote(other).parent) == ("what-if", quote_id)
    with pytest.raises(Conflict, match="a what-if charges nobody"):
        kept.add_override(other, Decimal(1), "b", "r")


def test_many_writers_number_without_a_gap(new_url: Callable[[], str]) -> None:
    url = new_url()
    with opened(url) as kept:
        quote_id = kept.add_quote(document())
    made = document()

    def write(turn: int) -> str:
        with opened(url) as mine:
            mine.add_override(quote_id, Decimal(turn + 1), f"writer {turn}", "race")
            return mine.add_quote(made)

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(write, range(12)))
    with opened(url) as kept:
        found = kept.policy(quote_id).overrides
        assert len({*ids}) == len(kept.quotes()) - 1 == 12
        assert count(kept, rulebooks) == 1
    assert [one.number for one in found] == list(range(1, 13))
    # Each saw the premium that the one before it left: no override was lost under another.
    assert [one.before for one in found] == [PREMIUM, *(one.after for one in found[:-1])]


def test_a_failure_in_the_middle_leaves_nothing(kept: QuoteStore) -> None:
    made = document()
    quote_id = kept.add_quote(made)

    def fail(_policy: object) -> Any:
        raise BadInput("no", where="here")

    with pytest.raises(BadInput, match="here: no"):
        kept.add_entry(quote_id, fail)
    # The rulebook's text is written first, the quote cannot be.
    other = document(rulebook="fuyang-example")
    other["name"] = "x\0"
    other["facts"]["currency"] = None
    with pytest.raises(BadInput, match="store not usable"):
        kept.add_quote(other)
    assert (count(kept, quotes), count(kept, rulebooks)) == (1, 1)
    assert kept.policy(quote_id).ledger == ()


@pytest.mark.parametrize("column", ["premium", "document", "source"])
def test_a_quote_that_is_not_what_was_written_is_refused(kept: QuoteStore, column: str) -> None:
    quote_id = kept.add_quote(document())
    cheaper = kept.quote(quote_id).document
    del cheaper["rulebook"]["source"]
    cheaper["charge"]["premium"] = "1"
    change: dict[str, sa.Update] = {
        "premium": sa.update(quotes).values(premium=Decimal(1)),
        "document": sa.update(quotes).values(premium=Decimal(1), document=cheaper),
        "source": sa.update(rulebooks).values(source=load("henan-example").source + "\n# another"),
    }
    with kept.engine.begin() as connection:
        connection.execute(change[column])
    with pytest.raises(BadInput, match=f"quote {quote_id}: its worksheet is damaged"):
        kept.quote(quote_id)


def test_a_replay_is_kept_with_what_came_out(kept: QuoteStore, tmp_path: Path) -> None:
    quote_id = kept.add_quote(document(says=says()))
    for number in (1, 2):
        found = replay_quote(tmp_path, kept, quote_id)
        assert (found.replay.number, found.replay.reproduced, found.replay.score) == (number, True, "none")
        assert found.verdict == "reproduced to the cent, it rests on no score"
        assert found.document()["replayed"] == found.document()["premium"]
    assert [one.number for one in kept.replays(quote_id)] == [1, 2]


def test_a_replay_that_comes_out_otherwise_says_where(kept: QuoteStore, tmp_path: Path) -> None:
    other = document()
    other["charge"]["steps"][2]["after"] = "1"
    other["charge"]["premium"] = "12.34"
    found = replay_quote(tmp_path, kept, kept.add_quote(other))
    assert not found.replay.reproduced
    assert found.replay.premium == PREMIUM
    assert "charge.premium: stored 12.34, replayed 15200.00" in found.verdict
    assert any("charge.steps[3].after" in one for one in found.replay.differences)
    [kept_row] = kept.replays(found.quote.quote_id)
    assert kept_row == found.replay


def test_a_replay_whose_inputs_give_no_premium_is_kept_too(kept: QuoteStore, tmp_path: Path) -> None:
    other = document()
    other["facts"]["known"] = [one for one in other["facts"]["known"] if one["name"] != "headcount"]
    found = replay_quote(tmp_path, kept, kept.add_quote(other))
    assert not found.replay.reproduced
    assert found.replay.premium is None
    assert "headcount" in found.verdict


def test_a_score_that_is_gone_is_said(kept: QuoteStore, tmp_path: Path) -> None:
    found = replay_quote(tmp_path, kept, kept.add_quote(document(says=says("s_gone"))))
    assert (found.replay.reproduced, found.replay.score) == (True, "not made again")
    assert "reproduced to the cent; its score was not made again: score id: no score s_gone" in found.verdict


def test_a_store_of_an_older_version_is_brought_up_to_date_with_its_rows(url: str) -> None:
    from alembic import command
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext

    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    for older in ("0001", "0002"):
        engine = store._engine(url)
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            if older == "0002":
                command.downgrade(config, older)
            else:
                command.upgrade(config, older)
                connection.execute(sa.insert(store.scores), vars(ROW))
            assert not sa.inspect(connection).has_table("quotes")
        engine.dispose()
        with opened(url) as kept:
            quote_id = kept.add_quote(document())
            assert kept.quote(quote_id).premium == PREMIUM
            assert store.Store(kept.engine).get(ROW.score_id) == ROW
            with kept.engine.connect() as connection:
                assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_store_that_is_up_to_date_stays_as_it_is(url: str) -> None:
    """Opened by many at once when it is not there yet, and again and again."""

    def opening(turn: int) -> str:
        with opened(url) as kept:
            return kept.add_quote(document(enterprise_id=f"e-{turn}"))

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(opening, range(4)))
    with opened(url) as kept:
        kept.add_override(ids[0], Decimal(1), "陈", "again")
        before = [kept.quote(one) for one in ids], kept.policy(ids[0])
        with kept.engine.connect() as connection:
            revision = connection.exec_driver_sql("select version_num from alembic_version").scalar_one()
    with opened(url) as kept:
        assert ([kept.quote(one) for one in ids], kept.policy(ids[0])) == before
        with kept.engine.connect() as connection:
            assert connection.exec_driver_sql("select version_num from alembic_version").scalars().all() == [revision]


def test_a_book_comes_back_as_it_was(kept: QuoteStore) -> None:
    policies = pa.table({"policy_id": [f"p{i}" for i in range(PART_ROWS + 3)], "premium": [0.1] * (PART_ROWS + 3)})
    claims = pa.table({"claim_id": pa.array([], pa.string())})
    books = BookStore(kept.engine)
    first = books.add_book("账簿", "d1", "CNY", policies.slice(0, 5), claims)
    second = books.add_book("账簿", "d2", "CNY", policies, claims)
    assert books.books() == (second, first)
    for name, head in (("账簿", second), (first.book_id, first)):
        found = books.book(name)
        assert found.head == head
        assert found.policies.equals(policies.slice(0, head.policies))
        assert found.claims.equals(claims)
    with kept.engine.begin() as connection:
        connection.exec_driver_sql("delete from book_parts where part = 1")
    with pytest.raises(BadInput, match="its rows are damaged; import it again"):
        books.book("账簿")


def test_a_store_of_quotes_that_cannot_be_used_is_one_line(kept: QuoteStore) -> None:
    quote_id = kept.add_quote(document())
    with kept.engine.begin() as connection:
        connection.exec_driver_sql("drop table quote_overrides")
    for call in (lambda: kept.policy(quote_id), lambda: kept.add_override(quote_id, Decimal(1), "b", "r")):
        with pytest.raises(BadInput) as caught:
            call()
        assert "store not usable" in str(caught.value)
        assert "\n" not in str(caught.value)
