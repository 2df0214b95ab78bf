"""Kind-free features: one list for every kind, put together from whatever sensors a kind has."""

import re
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import Catalog, catalog, pooled
from features.clock import micros
from features.groups import tables_of
from features.history import from_tables
from features.kinds import MachineKind
from features.online import vector
from features.pooled import put_together
from tests.features.test_operations import PRESS
from tests.features.test_reference import IDS, KIND, START, fleet
from tests.properties.histories import KINDS, MACHINES, Tables, bits, breaks_law, features_of, histories, moments

EVERY = [*KINDS, PRESS, KIND]


def test_every_kind_has_the_same_features() -> None:
    first = pooled(KINDS[0])
    assert len(first.names) >= 60
    for kind in EVERY:
        assert pooled(kind).names == first.names
        assert pooled(kind).hash == first.hash
        assert not any(spec.categorical for spec in pooled(kind).specs)
    assert first.hash != catalog(KINDS[0]).hash


def test_no_word_is_a_kinds_own() -> None:
    for spec in pooled(KINDS[0]).specs:
        assert spec.words_en and spec.words_zh, spec.name
        assert not re.search(r"[\u4e00-\u9fff]\d|\d[\u4e00-\u9fff]", spec.words_zh), spec.words_zh
    words = [spec.words_en for spec in pooled(KINDS[0]).specs]
    assert len(set(words)) == len(words)


def test_sensors_are_put_together() -> None:
    wanted = pooled(KINDS[0])
    base = ["heat:own_z_24h", "shake:own_z_24h", "events_since"]
    matrix = np.array([[-3.5, 2.5, 7.0], [np.nan, -1.0, 8.0], [np.nan, np.nan, 9.0]], dtype=np.float32)
    found = put_together(KINDS[0], wanted.specs, base, matrix)
    named = dict(zip(wanted.names, found.T.tolist(), strict=True))
    assert named["sensors_own_z_24h_max"][:2] == [3.5, 1.0]
    assert named["sensors_own_z_24h_mean"][:2] == [3.0, 1.0]
    assert named["sensors_own_z_24h_beyond2"][:2] == [2.0, 0.0]
    assert named["sensors_own_z_24h_beyond3"][:2] == [1.0, 0.0]
    assert named["events_since"] == [7.0, 8.0, 9.0]
    assert np.isnan([named["sensors_own_z_24h_max"][2], named["sensors_own_z_24h_beyond2"][2], named["machine_age"][0]]).all()


def test_deviations_are_those_of_the_kinds_own_catalog() -> None:
    """The press has the default windows, so its own catalog holds the parts of the pooled features."""
    tables = fleet()
    kind = KIND.model_copy(update={"window_hours": (24.0, 72.0, 168.0), "past_hours": None})
    history = from_tables(kind, tables, IDS)
    looks = np.full(len(IDS), micros(START + timedelta(days=12)))
    own, kind_free = (compute(one, history, np.arange(len(IDS)), looks) for one in (catalog(kind), pooled(kind)))
    parts = own[:, [catalog(kind).names.index(f"{sensor.name}_own_z_24h") for sensor in kind.sensors]]
    largest = kind_free[:, pooled(kind).names.index("sensors_own_z_24h_max")]
    assert np.isfinite(parts).all()
    assert np.allclose(np.abs(parts).max(axis=1), largest, rtol=1e-6)
    same = sorted(set(catalog(kind).names) & set(pooled(kind).names))
    assert len(same) > 15
    for name in same:
        one, other = (m[:, c.names.index(name)] for m, c in ((own, catalog(kind)), (kind_free, pooled(kind))))
        assert np.array_equal(bits(one), bits(other)), name


def test_the_tables_of_a_pooled_catalog_are_those_it_looks_at() -> None:
    assert {"events", "operations", "environment", KIND.readings_table, KIND.reference_table} <= set(tables_of(pooled(KIND)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_the_law_holds_and_one_machine_alone_has_the_same_bits(kind: MachineKind, data: st.DataObject) -> None:
    wanted: Catalog = pooled(kind)
    tables: Tables = data.draw(histories(kind))
    as_of = data.draw(moments)
    assert [wanted.names[place] for place in breaks_law(features_of(wanted), tables, as_of)] == []
    together = features_of(wanted)(tables, as_of)
    for place, name in enumerate(MACHINES):
        assert np.array_equal(bits(vector(wanted, from_tables(kind, tables, [name]), as_of)), bits(together[place]))
