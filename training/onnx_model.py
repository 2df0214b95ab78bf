"""A network from its ONNX bytes, run by onnxruntime on one thread. Imports no torch."""

from typing import Any

import numpy as np

from features.errors import BadInput
from training.hazard import Floats
from training.windows import Steps

STEPS, STATIC = "steps", "static"


class OnnxNetwork:
    """Raw answers of an exported network, window by window.

    Windows go through one at a time: how a matrix product is cut into blocks depends on its shape, and a row's answer must not
    depend on who else is in the batch.
    """

    def __init__(self, content: bytes, *, where: str = "network.onnx") -> None:
        """Raises BadInput if the bytes are no network of this kind."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        options.add_free_dimension_override_by_name("n", 1)  # shapes are then worked out once, not for every window
        try:
            self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            shapes = {one.name: one.shape for one in self._session.get_inputs()}
            self.steps, self.channels = int(shapes[STEPS][1]), int(shapes[STEPS][2])
            self.layout_hash = str(self._session.get_modelmeta().custom_metadata_map["layout"])
        except Exception as error:  # onnxruntime raises whatever its reader stumbles over
            what = f"not a network: {str(error).splitlines()[0][:200]}"
            raise BadInput(what, where=where, mend="train and export it again") from None
        # An exporter leaves out an input that has no columns.
        self.static = int(shapes[STATIC][1]) if STATIC in shapes else 0
        self.outputs = int(self._session.get_outputs()[0].shape[1])
        self.content = content

    def raw(self, steps: Steps, static: Steps) -> Floats:
        """float32 [n, steps, channels] and [n, static] to float64[n, outputs]. Raises BadInput on another shape of window."""
        if steps.shape[1:] != (self.steps, self.channels):
            what = f"the network reads windows of {self.steps} steps x {self.channels} channels, not {steps.shape[1:]}"
            raise BadInput(what, where="windows", mend="gather them by the bundle's layout")
        if static.shape != (len(steps), self.static):
            what = f"the network reads {self.static} static covariates of each window, not {static.shape[1:]}"
            raise BadInput(what, where="windows", mend="gather them by the bundle's layout")
        steps, static = np.ascontiguousarray(steps, dtype=np.float32), np.ascontiguousarray(static, dtype=np.float32)
        found = np.empty((len(steps), self.outputs))
        for row in range(len(steps)):
            feed = {STEPS: steps[row : row + 1]}
            if self.static:
                feed[STATIC] = static[row : row + 1]
            found[row] = self._session.run(None, feed)[0][0]
        return found
