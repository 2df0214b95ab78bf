"""What accidents cost: of whom it is learned, and in what money."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.errors import BadInput
from features.schema import ENTERPRISE
from training.enterprise.fit import Learned
from training.enterprise.rows import Past
from training.enterprise.severity import Severity


def with_column(past: Past, name: str, values: list[object]) -> Past:
    place, field = past.accidents.schema.get_field_index(name), past.accidents.schema.field(name)
    return replace(past, accidents=past.accidents.set_column(place, field, pa.array(values, field.type)))


def test_who_is_not_in_the_snapshot_teaches_nothing(past: Past, learned: Learned) -> None:
    others = past.accidents.slice(0, 40)
    place, field = others.schema.get_field_index(ENTERPRISE), others.schema.field(ENTERPRISE)
    others = others.set_column(place, field, pa.array(["silent"] * 40, field.type))
    at = others.schema.get_field_index("direct_loss")
    others = others.set_column(at, others.schema.field("direct_loss"), pa.array([0.0] * 40))
    more = replace(past, accidents=pa.concat_tables([past.accidents, others]))
    until = learned.cuts.test_from
    assert Severity.fit(more, until) == Severity.fit(past, until)


def test_what_is_known_later_teaches_nothing(past: Past, learned: Learned) -> None:
    until = learned.cuts.test_from
    late = pc.greater(past.accidents.column("recorded_at").cast(pa.int64()), until).to_pylist()
    loss = past.accidents.column("direct_loss").to_numpy()
    changed = with_column(past, "direct_loss", np.where(late, 1e9, loss).tolist())
    assert 0 < sum(late) < len(late)
    assert Severity.fit(changed, until) == Severity.fit(past, until)


def test_losses_in_several_currencies_are_refused(past: Past, learned: Learned) -> None:
    """Amounts are in the enterprise's own currency, also those that name none."""
    mixed = replace(past, currencies={str(past.accidents.column(ENTERPRISE)[0]): "USD"})
    with pytest.raises(BadInput, match="losses in CNY and USD"):
        Severity.fit(mixed, learned.cuts.test_from)


def test_limits_in_yuan_grade_no_loss_in_another_currency(past: Past, learned: Learned) -> None:
    """12 million are a graver accident in yuan by order 493, and an ordinary one where the money is another."""
    heavy = with_column(past, "direct_loss", [1.2e7] * past.accidents.num_rows)
    dollars = replace(heavy, currencies=dict.fromkeys(past.ids.tolist(), "USD"))
    shares = [Severity.fit(one, learned.cuts.test_from).graded.overall_shares for one in (heavy, dollars)]
    assert shares[0][0] < 0.01 and shares[0][2] > 0.98 and shares[1][0] > 0.98
