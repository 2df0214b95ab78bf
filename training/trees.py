"""Several LightGBM models as one model file with several outputs, so that one call per record answers them all."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.errors import BadInput
from training.forest import TREE, compiled, fields_of
from training.forest_reasons import Reasons, reasons_of

Floats = npt.NDArray[np.float64]


class Forest:
    """A booster with one raw score (log-odds) per output: LightGBM makes it, here its text is all that it takes to run it."""

    def __init__(self, text: str, *, where: str = "booster") -> None:
        self.text, self._where = text, where
        self._reasons: dict[tuple[int, ...], Reasons] = {}
        self._compiled = compiled(text, where=where)
        self.outputs, self.feature_names = self._compiled.outputs, self._compiled.feature_names

    def raw(self, x: npt.NDArray[np.float32], *, threads: int = 1) -> Floats:
        """[n, features] to [n, outputs] log-odds, equal to LightGBM's to the last bit."""
        return self._compiled.raw(x, threads=threads)

    def contributions(self, x: npt.NDArray[np.float32], outputs: Sequence[int], *, threads: int = 1) -> Floats:
        """[n, chosen outputs, features + 1]: tree SHAP values of raw scores, the expected score last."""
        asked = tuple(outputs)
        if asked not in self._reasons:
            self._reasons[asked] = reasons_of(self.text, asked, where=self._where)
        return self._reasons[asked].values(x, threads=threads)

    def gains(self) -> Floats:
        """[features]: total gain of the splits on each feature."""
        found = np.zeros(len(self.feature_names))
        for tree in fields_of(self.text)[1]:
            gain = np.array(tree.get("split_gain", "").split(), dtype=np.float64)
            np.add.at(found, np.array(tree.get("split_feature", "").split(), dtype=np.int64), np.maximum(gain, 0.0))
        return found


def merge(texts: Sequence[str]) -> str:
    """One model text whose outputs are the raw scores of the given ones, side by side (a multiclass model has one per class).

    LightGBM stores the trees of a model with several outputs in turn, one per output and round; models with fewer rounds are
    filled up with trees of value zero. All models must have been fitted on the same columns.
    """
    header, _ = _split(texts[0])
    return _joined(header, [trees for text in texts for trees in _split(text)[1]])


def _joined(header: str, parts: Sequence[list[str]]) -> str:
    """A model text of these outputs' trees, under a header of any model on the same columns."""
    rounds = max(len(trees) for trees in parts)
    blocks = [
        f"Tree={turn * len(parts) + j}\n{trees[turn] if turn < len(trees) else _EMPTY}"
        for turn in range(rounds)
        for j, trees in enumerate(parts)
    ]
    header = re.sub(r"^num_class=.*$", f"num_class={len(parts)}", header, flags=re.MULTILINE)
    header = re.sub(r"^num_tree_per_iteration=.*$", f"num_tree_per_iteration={len(parts)}", header, flags=re.MULTILINE)
    header = re.sub(r"^objective=.*\n", "", header, flags=re.MULTILINE)
    sizes = " ".join(str(len(block.encode())) for block in blocks)
    header = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", header, flags=re.MULTILINE)
    return header + "".join(blocks) + _TAIL


_TAIL = "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\npandas_categorical:null\n"
_EMPTY = (
    "num_leaves=1\nnum_cat=0\nsplit_feature=\nsplit_gain=\nthreshold=\ndecision_type=\nleft_child=\nright_child=\n"
    "leaf_value=0\nleaf_weight=\nleaf_count=\ninternal_value=\ninternal_weight=\ninternal_count=\nis_linear=0\nshrinkage=1\n\n\n"
)


def _split(text: str) -> tuple[str, list[list[str]]]:
    """Header of a model text, and the trees of each of its outputs."""
    head, _, _ = text.partition("end of trees")
    start = TREE.search(head)
    if start is None:
        raise BadInput("a model without trees", where="booster", mend="train on more failures or with weaker regularisation")
    header, trees = head[: start.start()], TREE.split(head[start.start() :])[1:]
    outputs = int(header.partition("num_tree_per_iteration=")[2].partition("\n")[0])
    return header, [trees[j::outputs] for j in range(outputs)]
