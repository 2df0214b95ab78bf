"""A bundle with networks: what is saved is what is loaded, and whatever is missing of them LightGBM answers alone."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features import kernel_sequences
from features.errors import BadInput
from features.sequences import Batch, layout
from tests.training import test_bundle as plain
from tests.training.networks import fresh, invented
from training.bundle import Bundle
from training.bundle_files import BLEND
from training.manifest import MANIFEST, canonical, read_manifest, seal_of, sha256
from training.window_model import WindowModel

NAMES = ("p", "low", "high")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    without = plain.make()
    networks = fresh(plain.KIND, invented(plain.KIND, 30), families=("gru", "tcn"), seeds=2)
    return made(without, networks)


def made(without, networks):
    from training.manifest import Facts

    facts = Facts(plain.KIND, "pump-20240501-abc", {"failures": 3}, plain.DAY, plain.DAY, plain.DAY, plain.DAY, {"seed": 1})
    return Bundle.assemble(without.model, without.calibration, facts, plain.rows(5, seed=2).x, networks)


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / bundle.manifest.bundle_id)


@pytest.fixture(scope="module")
def asked() -> tuple[np.ndarray, Batch]:
    return plain.rows(20, seed=3).x, invented(plain.KIND, 20, seed=4)


def equal(one, other):
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_is_loaded_answers_to_the_bit(bundle, saved, asked):
    again = Bundle.load(saved)
    equal(again.predict(*asked), bundle.predict(*asked))
    assert again.predict(*asked).blended.all()
    assert again.lacking is None
    assert again.manifest == bundle.manifest
    again.check_golden()


def test_networks_of_another_layout_are_refused(bundle):
    model = bundle.networks.model
    with pytest.raises(BadInput, match="among windows of layout other"):
        WindowModel(model.facts.model_copy(update={"hash": "other"}), model.data)


def test_without_windows_it_is_the_bundle_without_networks(bundle, asked):
    x, windows = asked
    equal(bundle.predict(x), plain.make().predict(x))
    assert not np.allclose(bundle.predict(x).p, bundle.predict(x, windows).p)
    assert bundle.without(None) == "no window of readings"


def test_one_row_is_answered_like_the_row_among_others(bundle, asked):
    x, windows = asked
    whole = bundle.predict(x, windows)
    for row in (0, 7, 19):
        own = bundle.predict(x[row : row + 1], Batch(windows.steps[row : row + 1], windows.static[row : row + 1]))
        for name in NAMES:
            np.testing.assert_array_equal(getattr(own, name)[0], getattr(whole, name)[row])


def test_probabilities_rise_and_lie_in_their_range(bundle, asked):
    said = bundle.predict(*asked)
    assert (np.diff(said.p, axis=1) >= 0).all()
    assert (np.diff(said.low, axis=1) >= 0).all()
    assert ((said.low <= said.p) & (said.p <= said.high)).all()
    assert (said.low < said.high).all()


def test_a_single_network_is_no_more_certain_than_the_boosters(bundle, asked):
    """Its part of the range is not left out because nobody knows it."""
    x, windows = asked
    single = made(plain.make(), fresh(plain.KIND, invented(plain.KIND, 30)))
    assert single.networks is not None
    blend = single.networks.blend
    sure = blend.calibration.model_copy(update={"covariance": None})
    heavy = blend.model_copy(update={"weights": (0.0, 1.0), "either": 0.0, "calibration": sure})
    own = Bundle(single.manifest, single.model, single.calibration, replace(single.networks, blend=heavy))
    wide = own.predict(x, windows)
    alone = single.predict(x)
    span, theirs = (np.log(one.high / one.low)[:, 2] for one in (wide, alone))
    assert np.median(span / theirs) > 0.3


def test_a_short_window_leaves_its_row_to_lightgbm_and_no_other(bundle, asked):
    x, windows = asked
    steps = windows.steps.copy()
    steps[3, :-10] = np.nan
    said = bundle.predict(x, Batch(steps, windows.static))
    full, alone = bundle.predict(x, windows), bundle.predict(x)
    assert said.blended.sum() == len(x) - 1
    np.testing.assert_array_equal(said.p[3], alone.p[3])
    np.testing.assert_array_equal(np.delete(said.p, 3, axis=0), np.delete(full.p, 3, axis=0))
    assert bundle.without(Batch(steps[3:4], windows.static[3:4])) == "10 of at least 24 readings in the last 168 h"
    assert bundle.without(Batch(steps[4:5], windows.static[4:5])) is None


def test_a_channel_that_training_always_knew_is_needed(bundle, asked):
    x, windows = asked
    steps = windows.steps.copy()
    place = bundle.manifest.windows.names.index("own:heat")
    steps[:, :, place] = np.nan
    assert not bundle.predict(x, Batch(steps, windows.static)).blended.any()
    assert "no own:heat known" in bundle.without(Batch(steps[:1], windows.static[:1]))


def test_values_that_no_sensor_sends_do_no_harm(bundle, asked):
    """Infinite, huge, constant: an answer in order all the same."""
    x, windows = asked
    for value in (np.inf, -np.inf, 3e38, 0.0):
        steps = windows.steps.copy()
        steps[:, ::2, :] = value
        said = bundle.predict(x, Batch(steps, windows.static))
        assert np.isfinite(said.p).all()
        assert (np.diff(said.p, axis=1) >= 0).all()


def test_a_missing_network_is_done_without(saved, asked):
    next(saved.glob("network-tcn-1.onnx")).unlink()
    again = Bundle.load(saved)
    assert again.lacking == "its file network-tcn-1.onnx is missing"
    assert again.without(asked[1]) == again.lacking
    equal(again.predict(*asked), plain.make().predict(asked[0]))
    again.check_golden()


def test_saving_again_mends_it(bundle, saved, asked):
    next(saved.glob("network-tcn-1.onnx")).unlink()
    bundle.save(saved)
    equal(Bundle.load(saved).predict(*asked), bundle.predict(*asked))


def test_without_the_runtime_lightgbm_answers_alone(saved):
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from pathlib import Path; from training.bundle import Bundle\n"
        f"bundle = Bundle.load(Path({str(saved)!r})); bundle.check_golden(); print(bundle.lacking)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "onnxruntime is not installed"


def test_it_answers_without_torch_and_lightgbm(saved):
    code = (
        "import sys\n"
        "for name in ('torch', 'lightgbm', 'scipy', 'sklearn', 'mlflow', 'optuna', 'onnx'): sys.modules[name] = None\n"
        "from pathlib import Path; from training.bundle import Bundle\n"
        f"bundle = Bundle.load(Path({str(saved)!r})); bundle.check_golden(); print(bundle.networks is not None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "True"


def test_a_damaged_network_is_refused(saved):
    path = next(saved.glob("network-gru-0.onnx"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"network-gru-0\.onnx.*damaged|damaged.*"):
        Bundle.load(saved)


def test_golden_windows_catch_other_weights(saved):
    """Planted: the blend is edited, checksum and seal made good."""
    document = json.loads((saved / BLEND).read_text())
    document["weights"][1] += 0.1
    (saved / BLEND).write_text(json.dumps(document))
    manifest = json.loads((saved / MANIFEST).read_text())
    manifest["files"][BLEND] = sha256((saved / BLEND).read_bytes())
    manifest["seal"] = seal_of(manifest)
    (saved / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="golden rows"):
        Bundle.load(saved).check_golden()


def test_windows_of_another_layout_are_refused(bundle, saved, asked, monkeypatch):
    x, windows = asked
    with pytest.raises(BadInput, match="windows of shapes"):
        bundle.predict(x, Batch(windows.steps[:, :-1], windows.static))
    with monkeypatch.context() as later:
        later.setattr(kernel_sequences, "VERSION", 99)
        layout.cache_clear()
        with pytest.raises(BadInput, match=f"networks trained on windows {bundle.manifest.windows.hash}, this installation"):
            Bundle.load(saved)
    layout.cache_clear()
    assert Bundle.load(saved).manifest == bundle.manifest


def test_a_bundle_of_the_first_format_still_answers(tmp_path):
    """As it was written before there were networks: no field of theirs, its own seal."""
    made_now = plain.make()
    saved = made_now.save(tmp_path / "old")
    document = json.loads((saved / MANIFEST).read_text())
    document["format"] = 1
    del document["windows"], document["golden"]["blended"]
    document["seal"] = sha256(canonical({name: value for name, value in document.items() if name != "seal"}))
    (saved / MANIFEST).write_text(json.dumps(document))
    old = Bundle.load(saved)
    old.check_golden()
    assert old.without(None) is None
    assert read_manifest(saved).windows is None
    equal(old.predict(plain.rows(4).x), made_now.predict(plain.rows(4).x))


def test_metrics_keep_the_networks(bundle, asked):
    told = bundle.with_metrics({"ap_72h": 0.5})
    equal(told.predict(*asked), bundle.predict(*asked))
