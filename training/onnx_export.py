"""A fitted network as ONNX, which serving runs without torch."""

import io
import warnings

import numpy as np
import torch

from features.errors import BadInput
from training.loop import Fitted
from training.onnx_model import STATIC, STEPS, OnnxNetwork
from training.windows import Steps

OPSET = 17
_CLOSE = 1e-5


def to_onnx(fitted: Fitted) -> bytes:
    """The network as ONNX, its batch open, its layout's hash in the metadata.

    Raises BadInput if its answers on random windows are not torch's to 1e-5.
    """
    import onnx

    layout, network = fitted.layout, fitted.network.cpu().eval()
    steps, static = random_windows(2, layout.steps, len(layout.names), len(layout.static), seed=0)
    stream = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # The tracer notes what stays as it was traced (the number of steps: a layout's own) and that a newer exporter exists.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.from_numpy(steps), torch.from_numpy(static)),
            stream,  # type: ignore[arg-type]  # the stubs know paths alone
            dynamo=False,
            opset_version=OPSET,
            input_names=[STEPS, STATIC],
            output_names=["raw"],
            dynamic_axes={STEPS: {0: "n"}, STATIC: {0: "n"}, "raw": {0: "n"}},
        )
    model = onnx.load_from_string(stream.getvalue())
    onnx.helper.set_model_props(model, {"layout": layout.hash})
    content = bytes(model.SerializeToString())
    worst = difference(fitted, content)
    if not worst <= _CLOSE:
        what = f"the ONNX network differs from torch by {worst:.2g} on random windows"
        raise BadInput(what, where="network training", mend="lower loop.learning_rate, or leave the network out")
    return content


def difference(fitted: Fitted, content: bytes, *, windows: int = 16, seed: int = 1) -> float:
    """The largest difference between the answers of ONNX and torch on random windows, as a share of 1 or of the answer."""
    layout = fitted.layout
    steps, static = random_windows(windows, layout.steps, len(layout.names), len(layout.static), seed=seed)
    # Like those of training: around each channel's centre.
    inside = fitted.network.steps_in
    steps = steps / np.where(inside.factor > 0, inside.factor, 1.0).astype(np.float32) + inside.centre.numpy()
    with torch.inference_mode():
        torchs = fitted.network(torch.from_numpy(steps), torch.from_numpy(static)).double().numpy()
    found = OnnxNetwork(content).raw(steps, static)
    return float(np.max(np.abs(found - torchs) / np.maximum(1.0, np.abs(torchs))))


def random_windows(n: int, steps: int, channels: int, static: int, *, seed: int) -> tuple[Steps, Steps]:
    """Standard normal windows, some values missing, each padded to a length of its own."""
    random = np.random.default_rng(seed)
    window = random.standard_normal((n, steps, channels)).astype(np.float32)
    window[random.random(window.shape) < 0.05] = np.nan
    for row, padding in enumerate(random.integers(0, steps, n)):
        window[row, :padding] = np.nan
    return window, random.standard_normal((n, static)).astype(np.float32)
