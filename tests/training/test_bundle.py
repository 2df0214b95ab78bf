"""The bundle: what is saved is what is loaded, damage is named, nothing but LightGBM and NumPy is needed."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from features.catalog import catalog
from features.errors import BadInput, Conflict, NotFound
from features.kinds import MachineKind, Sensor, Term
from training import gbm
from training.bundle import CHUNK, Bundle
from training.calibration import Calibration
from training.config import GbmConfig
from training.gbm import TrainingRows
from training.manifest import Facts, sha256
from training.model import Structure

KIND = MachineKind(
    name="pump",
    words_en="pump",
    words_zh="泵",
    window_hours=(24.0,),
    sensors=(Sensor(name="heat", unit="°C", words_en="heat", words_zh="温度"),),
    components=(Term(code="seal", words_en="seal", words_zh="密封"),),
    models=("A", "B"),
)
DAY = datetime(2024, 5, 1, tzinfo=UTC)
MAP = Calibration(
    knots=(-3.0, -1.0), level=-3.2, slopes=(0.8, 1.1, 0.9), events=50,
    covariance=tuple(tuple(row) for row in (0.02 * np.eye(4)).tolist()),
)  # fmt: skip


def rows(count: int = 900, seed: int = 0) -> TrainingRows:
    rng = np.random.default_rng(seed)
    names = tuple(catalog(KIND).names)
    x = rng.normal(size=(count, len(names))).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan
    fails = rng.random((count, 3)) < 1 / (1 + np.exp(2.5 - 1.5 * np.nan_to_num(x[:, :1])))
    hours = np.where(fails.any(axis=1), 24.0 * fails.argmax(axis=1) + 6, np.nan)
    return TrainingRows(x, hours, np.full(count, 72.0), np.ones(count), rng.integers(0, 40, count), names)


def make(**update: object) -> Bundle:
    config = GbmConfig(rounds=8, members=3, num_leaves=5, learning_rate=0.3).model_copy(update=update)
    structure = Structure(intervals=config.intervals)
    model = gbm.fit(rows(), config, structure, seed=1)
    facts = Facts(KIND, "pump-20240501-abc", {"failures": 3}, DAY, DAY, DAY, DAY, {"seed": 1})
    return Bundle.assemble(model, MAP, facts, rows(5, seed=2).x)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make()


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / bundle.manifest.bundle_id)


def test_what_is_loaded_answers_to_the_bit(bundle: Bundle, saved: Path) -> None:
    again = Bundle.load(saved)
    x = rows(50, seed=3).x
    for name in ("p", "low", "high"):
        np.testing.assert_array_equal(getattr(again.predict(x), name), getattr(bundle.predict(x), name))
    np.testing.assert_array_equal(again.contributions(x)[0], bundle.contributions(x)[0])
    assert again.manifest == bundle.manifest
    again.check_golden()


@pytest.mark.parametrize("update", [{"point": "full"}, {"intervals": "shares"}])
def test_other_structures_round_trip(update: dict[str, object], tmp_path: Path) -> None:
    made = make(**update)
    again = Bundle.load(made.save(tmp_path / "b"))
    again.check_golden()
    assert again.model.structure == made.model.structure
    assert (again.model.full is None) == ("point" not in update)


def test_name_follows_content_not_time(bundle: Bundle) -> None:
    assert make().manifest.bundle_id == bundle.manifest.bundle_id
    assert make(rounds=9).manifest.bundle_id != bundle.manifest.bundle_id
    assert bundle.manifest.bundle_id.startswith("machine-pump-20240501-")


def test_one_row_alone_is_answered_like_the_row_in_a_batch(bundle: Bundle) -> None:
    x = rows(40, seed=4).x
    whole = bundle.predict(x)
    for i in (0, 17):
        alone = bundle.predict(x[i : i + 1])
        np.testing.assert_array_equal(alone.p[0], whole.p[i])
        np.testing.assert_array_equal(alone.low[0], whole.low[i])


def test_large_batches_go_in_chunks(bundle: Bundle) -> None:
    x = np.resize(rows(100, seed=5).x, (CHUNK + 7, len(bundle.manifest.feature_names)))
    said = bundle.predict(x)
    assert said.p.shape == said.low.shape == said.high.shape == (CHUNK + 7, 3)
    np.testing.assert_array_equal(said.p[-7:], bundle.predict(x[-7:]).p)


def test_without_ranges_the_probabilities_are_the_same(bundle: Bundle) -> None:
    x = rows(40, seed=4).x
    np.testing.assert_allclose(bundle.predict(x, ranges=False).p, bundle.predict(x).p, rtol=1e-12)


def test_no_rows_are_no_answers(bundle: Bundle) -> None:
    none = np.empty((0, len(bundle.manifest.feature_names)), dtype=np.float32)
    assert bundle.predict(none).p.shape == (0, 3)
    assert bundle.contributions(none)[0].shape == none.shape


def test_ranges_come_from_the_members_and_the_map(bundle: Bundle) -> None:
    x = rows(200, seed=6).x
    said = bundle.predict(x)
    certain = Bundle(bundle.manifest, bundle.model, MAP.model_copy(update={"covariance": None})).predict(x)
    assert (certain.high - certain.low > 0).all()
    assert (said.high - said.low > certain.high - certain.low).mean() > 0.99


def test_contributions_add_up_to_the_calibrated_score(bundle: Bundle) -> None:
    x = rows(60, seed=7).x
    effects, base = bundle.contributions(x)
    score = np.log(-np.log1p(-bundle.predict(x).p[:, 2]))
    np.testing.assert_allclose(base + effects.sum(axis=1), score, atol=1e-5)
    assert np.argmax(abs(effects).mean(axis=0)) == 0


def test_another_number_of_columns_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BadInput, match=r"feature matrix of shape \(2, 3\)"):
        bundle.predict(np.zeros((2, 3), dtype=np.float32))


@pytest.mark.parametrize("name", ["members.txt", "calibration.json"])
def test_a_changed_byte_is_found(saved: Path, name: str) -> None:
    data = bytearray((saved / name).read_bytes())
    data[len(data) // 2] ^= 1
    (saved / name).write_bytes(data)
    with pytest.raises(BadInput, match=f"{name}: damaged"):
        Bundle.load(saved)


@pytest.mark.parametrize("name", ["members.txt", "calibration.json"])
def test_a_missing_or_cut_file_is_found(saved: Path, name: str) -> None:
    (saved / name).write_bytes((saved / name).read_bytes()[:100])
    with pytest.raises(BadInput, match=f"{name}: damaged"):
        Bundle.load(saved)
    (saved / name).unlink()
    with pytest.raises(BadInput, match="missing"):
        Bundle.load(saved)


def rewrite(saved: Path, **changes: object) -> None:
    document = json.loads((saved / "manifest.json").read_text(encoding="utf-8")) | changes
    (saved / "manifest.json").write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 3}, "bundle format 3, expected one of"),
        ({"surprise": 1}, "surprise"),
        ({"snapshot_id": "another"}, "changed after it was sealed"),
        ({"feature_names": []}, "changed after it was sealed"),
        ({"files": 3}, "files"),
    ],
)
def test_a_changed_manifest_is_refused(saved: Path, changes: dict[str, object], words: str) -> None:
    rewrite(saved, **changes)
    with pytest.raises(BadInput, match=words):
        Bundle.load(saved)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00"])
def test_a_manifest_that_is_none_is_refused(saved: Path, text: str) -> None:
    (saved / "manifest.json").write_text(text)
    with pytest.raises(BadInput):
        Bundle.load(saved)


def test_features_of_another_version_are_refused(saved: Path, bundle: Bundle) -> None:
    other = bundle.manifest.model_copy(update={"catalog_hash": "0" * 12}).sealed()
    (saved / "manifest.json").write_text(other.model_dump_json())
    with pytest.raises(BadInput, match="trained on catalog 000000000000"):
        Bundle.load(saved)
    names = tuple(reversed(bundle.manifest.feature_names))
    (saved / "manifest.json").write_text(bundle.manifest.model_copy(update={"feature_names": names}).sealed().model_dump_json())
    with pytest.raises(BadInput, match="this installation computes"):
        Bundle.load(saved)


def test_no_bundle_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no bundle there"):
        Bundle.load(tmp_path / "nowhere")


def test_golden_rows_find_a_swapped_map(bundle: Bundle) -> None:
    bundle.check_golden()
    other = Bundle(bundle.manifest, bundle.model, MAP.model_copy(update={"level": -3.0}))
    with pytest.raises(BadInput, match="golden rows are answered differently"):
        other.check_golden()


def test_a_map_that_is_not_monotone_is_refused(saved: Path, bundle: Bundle) -> None:
    """Even where every checksum was made to fit."""
    text = MAP.model_dump_json().replace("0.8,", "-0.8,").encode()
    (saved / "calibration.json").write_bytes(text)
    files = bundle.manifest.files | {"calibration.json": sha256(text)}
    (saved / "manifest.json").write_text(bundle.manifest.model_copy(update={"files": files}).sealed().model_dump_json())
    with pytest.raises(BadInput, match=r"calibration\.json: not a calibration.*positive slope"):
        Bundle.load(saved)


def test_boosters_of_another_shape_are_refused(saved: Path, bundle: Bundle) -> None:
    shares = bundle.manifest.model_copy(update={"structure": Structure(intervals="shares")}).sealed()
    (saved / "manifest.json").write_text(shares.model_dump_json())
    with pytest.raises(BadInput, match="9 outputs do not fit the manifest"):
        Bundle.load(saved)


def test_only_its_own_files_are_read(saved: Path, bundle: Bundle) -> None:
    files = bundle.manifest.files | {"../secret": "0"}
    (saved / "manifest.json").write_text(bundle.manifest.model_copy(update={"files": files}).sealed().model_dump_json())
    with pytest.raises(BadInput, match=r"lists the files \.\./secret"):
        Bundle.load(saved)


def test_another_bundle_is_not_overwritten(saved: Path) -> None:
    with pytest.raises(Conflict, match="another bundle is there"):
        make(rounds=9).save(saved)


def test_figures_are_added_without_a_new_name(bundle: Bundle, tmp_path: Path) -> None:
    told = bundle.with_metrics({"ap72": 0.5, "undefined": float("nan")})
    assert told.manifest.bundle_id == bundle.manifest.bundle_id
    assert Bundle.load(told.save(tmp_path / "b")).manifest.metrics == {"ap72": 0.5}


def test_saving_again_replaces_whole_and_leaves_nothing_behind(bundle: Bundle, saved: Path) -> None:
    (saved / "members.txt").write_text("broken")
    bundle.save(saved)
    Bundle.load(saved).check_golden()
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_loads_and_answers_without_frameworks(saved: Path) -> None:
    """In a new process where the frameworks and the modules that train cannot be imported."""
    program = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {{"lightgbm", "mlflow", "sklearn", "bentoml", "torch", "optuna", "deltalake"}} or name in {{
            "training.gbm", "training.labels", "training.train", "training.splits", "training.sampling"}}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from training.bundle import Bundle
bundle = Bundle.load(Path({str(saved)!r}))
bundle.check_golden()
import numpy
bundle.contributions(numpy.zeros((1, len(bundle.manifest.feature_names)), dtype=numpy.float32))
print(bundle.manifest.bundle_id)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == saved.name


def test_holds_no_pickle(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["calibration.json", "manifest.json", "members.txt"]
    for path in saved.iterdir():
        path.read_text(encoding="utf-8")
