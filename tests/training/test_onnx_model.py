"""Networks as ONNX: torch's answers, a row's own answer whatever its batch, and clear words for what is no network."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from features.errors import BadInput
from tests.training.windows import NAMES, STATIC, random_windows
from training import loop, onnx_export
from training.network_config import LoopConfig, NetworkConfig
from training.onnx_model import OnnxNetwork
from training.windows import Arrays

STEPS = 23
KINDS = [  # family, stride, head, filters, with static covariates
    ("gru", 1, "hazards", 3, True),
    ("gru", 4, "life", 3, True),
    ("tcn", 5, "hazards", 3, True),
    ("tcn", 1, "life", 0, False),
]


def trained(family="tcn", stride=5, head="hazards", filters=3, fixed=True):
    steps, static = random_windows(120, STEPS)
    source = Arrays(steps, static if fixed else static[:, :0], NAMES, STATIC if fixed else ())
    random = np.random.default_rng(1)
    targets = (
        (random.random((120, 4)) < 0.3).astype(np.float32) if head == "hazards" else 90 * random.random((120, 1), np.float32)
    )
    network = NetworkConfig(
        family=family, head=head, stride=stride, filters=filters, filter_steps=4, echoes=3, width=6, layers=2, mix=5, hidden=8
    )
    config = LoopConfig(epochs=2, batch=40, patience=None, learning_rate=1e-2)
    return loop.fit(source, targets, np.ones(120), np.arange(120), np.arange(0), network, config, seed=1), source


@pytest.fixture(scope="module", params=KINDS, ids=["-".join(map(str, kind[:3])) for kind in KINDS])
def exported(request):
    fitted, source = trained(*request.param)
    return fitted, source, OnnxNetwork(onnx_export.to_onnx(fitted))


def test_onnx_says_what_torch_says(exported):
    fitted, source, network = exported
    assert onnx_export.difference(fitted, network.content, windows=40, seed=5) <= 1e-5
    rows = np.arange(120)
    np.testing.assert_allclose(network.raw(*source.take(rows)), loop.predict(fitted, source, rows), atol=1e-5, rtol=1e-5)


def test_a_row_is_answered_to_the_bit_whoever_else_is_asked_for(exported):
    _, source, network = exported
    steps, static = source.take(np.arange(50))
    together = network.raw(steps, static)
    for cut in (slice(0, 1), slice(7, 9), slice(3, 50), slice(49, None, -1)):
        np.testing.assert_array_equal(network.raw(steps[cut], static[cut]), together[cut])


def test_what_is_missing_or_absurd_is_answered(exported):
    fitted, source, network = exported
    steps, static = source.take(np.arange(4))
    steps[0] = np.nan
    steps[1, :-2] = np.nan
    steps[2, 3, 1], steps[2, 4, 1], steps[3, 5, 0] = np.inf, -np.inf, 1e9
    static[3] = np.nan
    found = network.raw(steps, static)
    with torch.inference_mode():
        expected = fitted.network(torch.from_numpy(steps), torch.from_numpy(static)).numpy()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_a_difference_would_be_found(monkeypatch):
    fitted, _ = trained()
    content = onnx_export.to_onnx(fitted)
    with torch.no_grad():
        fitted.network.out.bias[0] += 1e-3
    assert onnx_export.difference(fitted, content) > 1e-5
    monkeypatch.setattr(onnx_export, "difference", lambda *_: 1e-3)
    with pytest.raises(BadInput, match="differs from torch"):
        onnx_export.to_onnx(fitted)


def test_layout_and_shape_are_in_the_file():
    fitted, source = trained()
    network = OnnxNetwork(onnx_export.to_onnx(fitted))
    assert network.layout_hash == source.layout.hash
    assert (network.steps, network.channels, network.static) == (STEPS, len(NAMES), len(STATIC))
    assert network.raw(*source.take(np.arange(0))).shape == (0, 4)


def test_exporting_warns_of_nothing_and_makes_the_same_bytes():
    fitted, _ = trained("gru")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert onnx_export.to_onnx(fitted) == onnx_export.to_onnx(fitted)


def test_windows_of_another_shape_are_refused():
    fitted, source = trained()
    network = OnnxNetwork(onnx_export.to_onnx(fitted))
    steps, static = source.take(np.arange(2))
    with pytest.raises(BadInput, match="23 steps x 5 channels"):
        network.raw(steps[:, 1:], static)
    with pytest.raises(BadInput, match="2 static"):
        network.raw(steps, static[:, :1])


@pytest.mark.parametrize("content", [b"", b"no network at all"])
def test_what_is_no_network_is_named(content):
    with pytest.raises(BadInput, match="not a network") as error:
        OnnxNetwork(content, where="bundle/network-tcn.onnx")
    assert "bundle/network-tcn.onnx" in str(error.value)


def test_running_a_network_imports_no_torch():
    code = "import sys, training.onnx_model; sys.exit('torch' in sys.modules or 'onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
