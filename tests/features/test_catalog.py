"""The catalog: order, names, words, and a hash that follows the definition."""

import dataclasses
import re
import string
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from features import equal_load, kernel, sensors
from features.catalog import OPS, Catalog, catalog, kernel_of
from features.errors import BadInput
from features.kinds import MachineKind, Sensor, Term, load_kind
from features.online import history_from_request, vector
from features.spec import FeatureSpec, span_en, span_zh
from tests.features.test_operations import PRESS
from tests.properties.histories import KINDS, REGULAR


def big_kind() -> MachineKind:
    """Four sensors, five error codes, four components, the default windows."""
    return MachineKind(
        name="big",
        words_en="big",
        words_zh="大",
        sensors=tuple(Sensor(name=name, unit="V", words_en=name, words_zh=name) for name in ("a", "b", "c", "d")),
        error_codes=tuple(Term(code=f"E-{n}", words_en=f"error {n}", words_zh=f"错误 {n}") for n in range(5)),
        components=tuple(Term(code=f"comp{n}", words_en=f"component {n}", words_zh=f"部件 {n}") for n in range(4)),
    )


@pytest.mark.parametrize("kind", [*KINDS, big_kind(), PRESS], ids=lambda kind: kind.name)
def test_every_spec_can_be_computed_and_told(kind: MachineKind) -> None:
    wanted = catalog(kind)
    assert len(set(wanted.names)) == len(wanted.names)
    for spec in wanted.specs:
        assert kernel_of(spec.op)
        assert set(spec.name) <= set(string.ascii_lowercase + string.digits + "_."), spec.name
        assert spec.words_en and spec.words_zh, spec.name
        assert "{" not in spec.words_en + spec.words_zh + spec.unit, spec.name
    assert len({spec.words_en for spec in wanted.specs}) == len(wanted.specs)
    assert len({spec.words_zh for spec in wanted.specs}) == len(wanted.specs)


def test_every_feature_is_computed_once() -> None:
    wanted = catalog(big_kind())
    targets = sorted(target for plan in wanted.plans for target in plan.target.tolist())
    assert targets == list(range(len(wanted.specs)))


def test_the_full_catalog_of_a_kind_with_four_sensors_is_rich() -> None:
    assert len(catalog(big_kind()).names) >= 150
    switched_on = {name: getattr(PRESS, name) for name in ("modes", "shifts", "actions", "environment", "hot_c")}
    everything = catalog(big_kind().model_copy(update=switched_on | {"reference": True, "models": ("A", "B")}))
    assert Counter(spec.family for spec in everything.specs) == {
        "sensors": 156, "peers": 12, "operations": 48, "environment": 35, "events": 36, "maintenance": 37, "static": 6,
    }  # fmt: skip


def test_the_hash_follows_the_definition_and_not_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = catalog(REGULAR)
    assert len(wanted.hash) == 12
    again = Catalog(REGULAR, tuple(dataclasses.replace(spec) for spec in wanted.specs))
    assert again.hash == wanted.hash
    reworded = (dataclasses.replace(wanted.specs[0], words_en="other words"), *wanted.specs[1:])
    assert Catalog(REGULAR, reworded).hash == wanted.hash
    widened = (dataclasses.replace(wanted.specs[0], window_hours=4.0), *wanted.specs[1:])
    assert Catalog(REGULAR, widened).hash != wanted.hash
    assert Catalog(REGULAR, wanted.specs[::-1]).hash != wanted.hash
    assert catalog(REGULAR.model_copy(update={"models": ("A1",)})).hash != wanted.hash
    monkeypatch.setattr(kernel, "VERSION", kernel.VERSION + 1)
    assert Catalog(REGULAR, wanted.specs).hash != wanted.hash


def test_two_features_of_one_name_are_refused() -> None:
    spec = FeatureSpec("heat_last", "sensors", "readings", "last", "heat", 3)
    with pytest.raises(BadInput, match="heat_last"):
        Catalog(REGULAR, (spec, spec))


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(KeyError, match="guess"):
        kernel_of("guess")
    every = [op for ops in OPS.values() for op in ops]
    assert len(set(every)) == len(every)


def test_a_new_sensor_is_a_declaration() -> None:
    noise = Sensor(name="noise", unit="dB", words_en="noise", words_zh="噪声")
    richer = REGULAR.model_copy(update={"sensors": (*REGULAR.sensors, noise)})
    added = [name for name in catalog(richer).names if name not in set(catalog(REGULAR).names)]
    families = (sensors, equal_load)
    assert len(added) == sum(len(family.specs(REGULAR)) / 2 for family in families) + 1  # and its comparison with the peers
    assert all(name.startswith("noise_") for name in added)


def test_a_new_sensor_of_a_mapping_is_found_in_catalog_and_words(tmp_path: Path) -> None:
    """A mapping file is all that it takes: catalog, a computed vector, and the words of a reason."""
    path = tmp_path / "kind.toml"
    path.write_text(
        """
        [kind]
        name = "press"
        words_en = "press"
        words_zh = "压机"
        modes = [{ code = "full", words_en = "full load", words_zh = "满负荷" }]
        sensors = [
          { name = "heat", unit = "°C", words_en = "oil temperature", words_zh = "油温" },
          { name = "noise", unit = "dB", words_en = "noise", words_zh = "噪声" },
        ]
        """
    )
    wanted = catalog(load_kind(path))
    place = wanted.names.index("noise_mean_24h")
    assert wanted.specs[place].words_zh == "噪声，24 小时均值"
    assert "mode_full_share_24h" in wanted.names
    rows = {"event_time": np.array([0, 3_600_000_000]), "heat": np.array([50.0, 51.0]), "noise": np.array([60.0, 70.0])}
    machine = {"machine_id": "m", "event_time": 0, "recorded_at": 0}
    history = history_from_request(wanted.kind, {"machine": machine, "tables": {"readings_press": rows}})
    assert vector(wanted, history, datetime(1970, 1, 1, 2, tzinfo=UTC))[place] == 65.0


@pytest.mark.parametrize("kind", [*KINDS, big_kind(), PRESS], ids=lambda kind: kind.name)
def test_chinese_words_leave_a_space_before_a_number(kind: MachineKind) -> None:
    for spec in catalog(kind).specs:
        assert not re.search(r"[\u4e00-\u9fff]\d|\d[\u4e00-\u9fff]", spec.words_zh), spec.words_zh


def test_windows_in_words() -> None:
    assert (span_en(3), span_en(72), span_en(168), span_en(100)) == ("3 h", "72 h", "7 d", "100 h")
    assert (span_zh(24), span_zh(720)) == ("24 小时", "30 天")
    (spec,) = (spec for spec in catalog(REGULAR).specs if spec.name == "shake_mean_12h")
    assert (spec.words_en, spec.words_zh, spec.unit) == ("shake, mean over 12 h", "shake，12 小时均值", "mm/s")
