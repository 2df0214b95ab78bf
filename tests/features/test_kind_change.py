"""A machine that becomes one of another kind: from then on it is none of the old one."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from features.build import build
from features.observations import Grid
from features.schema import MACHINES
from tests.features.streams import KIND, NOW, READINGS, hours, made_lake


def test_a_machine_that_changes_its_kind_leaves_the_cohort_and_the_peers(tmp_path: Path) -> None:
    ids = [f"m{number}" for number in range(6)]
    lake = made_lake(tmp_path / "lake", ids)
    lake.put_kind(KIND.model_copy(update={"name": "other"}))
    columns = {"machine_id": ids, "oil": [20.0] * 6, "force": [1.0] * 6}
    for hour in range(1, 96, 6):
        lake.append_rows(READINGS, pa.table(columns | {"event_time": [hours(hour)] * 6}), NOW, "plant")
    before = build(lake, "press", Grid(every_hours=12), home=tmp_path).observations().to_pylist()
    changed = {name: [hours(47)] for name in ("event_time", "recorded_at")}
    lake.append_rows(MACHINES, pa.table({"machine_id": ["m1"], "kind": ["other"], "model": ["A"], **changed}), NOW, "plant")
    after = build(lake, "press", Grid(every_hours=12), home=tmp_path).observations().to_pylist()
    assert after == [one for one in before if one["machine_id"] != "m1" or one["as_of"] < hours(47)]
    assert len(after) < len(before)
    groups = lake.read(KIND.reference_table).filter(pc.equal(lake.read(KIND.reference_table)["peer_group"], "press"))
    assert dict(zip(groups["event_time"].to_pylist(), groups["machines"].to_pylist(), strict=True)) == {
        hours(24): 6,
        hours(48): 5,
        hours(72): 5,
        hours(96): 5,
    }
