"""f(history, as_of) == f(what was known by as_of, as_of), to the last bit, for every feature of every catalog."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.build import compute
from features.catalog import catalog
from features.clock import micros
from features.history import from_tables
from features.kinds import MachineKind
from tests.properties.histories import KINDS, MACHINES, START, Tables, breaks_law, features_of, histories, moments


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_feature_sees_what_was_not_known(kind: MachineKind, data: st.DataObject) -> None:
    wanted = catalog(kind)
    tables: Tables = data.draw(histories(kind))
    as_of: datetime = data.draw(moments)
    seen = breaks_law(features_of(wanted), tables, as_of, seed=data.draw(st.integers(0, 99)))
    assert [wanted.names[column] for column in seen] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_drawn_histories_reach_every_feature(kind: MachineKind) -> None:
    """A law that only ever saw missing values would hold for anything: every feature takes at least two values."""
    wanted = catalog(kind)
    values: list[np.ndarray] = []

    @given(histories(kind))
    @settings(max_examples=120, deadline=None, derandomize=True, database=None)
    def gather(tables: Tables) -> None:
        looks = np.repeat([micros(START + timedelta(hours=hour)) for hour in range(6, 150, 6)], 2)
        history = from_tables(kind, tables, MACHINES)
        values.append(compute(wanted, history, np.tile([0, 1], len(looks) // 2), looks))

    gather()
    seen = np.concatenate(values)
    idle = [name for name, column in zip(wanted.names, seen.T, strict=True) if len(np.unique(column[~np.isnan(column)])) < 2]
    assert idle == []
