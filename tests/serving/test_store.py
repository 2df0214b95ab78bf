"""The store: what is written comes back to the bit; tables come from migrations alone."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import make_url

from features.errors import BadInput, NotFound
from serving.pricing.tables import metadata
from serving.scoring import new_score_id
from serving.store import Store, StoredScore, opened
from tests.serving.postgres import Postgres

ROW = StoredScore(
    score_id="s_1",
    entity="machine",
    entity_id="泵-1",
    kind="pump",
    as_of=datetime(2026, 1, 1, tzinfo=UTC),
    scored_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    bundle_id="b",
    snapshot_id=None,
    risk=0.1 + 0.2,
    result={"p": [0.1 + 0.2, 1e-17, 5e-324], "low": [0.0], "high": [1.0]},
    features=b"\x00\x01\xff",
    source="posted",
    evidence=b"\x00",
)


def test_a_score_comes_back_as_it_was(url: str) -> None:
    with opened(url) as store:
        store.record([ROW])
    with opened(url) as store:
        assert store.get("s_1") == ROW


def test_a_time_in_another_zone_is_the_same_moment(url: str) -> None:
    with opened(url) as store:
        store.record([replace(ROW, as_of=datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8))))])
        assert store.get("s_1").as_of == ROW.as_of


def test_an_unknown_score_is_named(url: str) -> None:
    with opened(url) as store:
        for unknown in ("s_2", "b_2.0", "b_2.x", "b_2." + "9" * 5_000):
            with pytest.raises(NotFound, match=f"no score {unknown}"):
                store.get(unknown)


def test_a_group_is_written_whole_or_not_at_all(url: str) -> None:
    with opened(url) as store:
        with pytest.raises(BadInput, match="store not usable"):
            store.record([ROW, replace(ROW, score_id="s_2"), ROW])
        assert store.count() == 0


def test_migrations_make_the_tables_that_the_code_declares(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with opened(url) as store, store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_processes_that_open_a_new_store_at_once_make_its_tables_once(new_url: Callable[[], str]) -> None:
    for _ in range(5):  # who comes first, and how close the others are, is chance
        with ThreadPoolExecutor(6) as pool:
            for store in pool.map(Store.open, [new_url()] * 6):
                assert store.count() == 0
                store.close()


def test_a_store_that_cannot_be_opened_is_one_line_without_the_password(tmp_path: Path) -> None:
    for url in ("nonsense", f"sqlite:////proc/none/{tmp_path.name}/x.db", "postgresql://me:secret@127.0.0.1:1/none"):
        with pytest.raises(BadInput) as caught:
            Store.open(url)
        assert "store not usable" in str(caught.value)
        assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there_is_one_line_without_the_password(postgres: Postgres) -> None:
    url = make_url(postgres.url("nowhere")).set(password="secret").render_as_string(hide_password=False)
    assert "secret" in url
    with pytest.raises(BadInput, match=r'store not usable: .*"nowhere" does not exist') as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_store_is_one_line(url: str) -> None:
    with opened(url) as store:
        store.record([ROW])
        # PostgreSQL itself refuses JSON that is none.
        broken = ["update scores set result = '{'"] if url.startswith("sqlite") else []
        for damage in (*broken, "drop table scores"):
            with store.engine.begin() as connection:
                connection.exec_driver_sql(damage)
            with pytest.raises(BadInput) as caught:
                store.get(ROW.score_id)
            assert "store not usable" in str(caught.value)
            assert "\n" not in str(caught.value)
        with store.engine.begin() as connection:
            connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(BadInput, match="made by another version; update Forewarn"):
        Store.open(url)


def test_score_ids_sort_by_time_and_do_not_repeat() -> None:
    ids = []
    for _ in range(50):
        ids.append(new_score_id())
        time.sleep(0.0011)
    assert ids == sorted(ids)
    assert len({*ids, *(new_score_id() for _ in range(10_000))}) == 10_050
    assert {len(score_id) for score_id in ids} == {28}
