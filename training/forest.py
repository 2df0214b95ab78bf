"""A LightGBM model text as flat arrays that our own kernels run: the same sums to the last bit, without LightGBM's overhead.

Decisions are those of LightGBM's Tree::NumericalDecision and Tree::CategoricalDecision (include/LightGBM/tree.h). Columns are
float32, so a threshold is as good as the largest float32 that is not above it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features import engine
from features.errors import BadInput
from training import forest_kernel
from training.forest_kernel import BLOCK, ONLY, RIGHT, SET, TINY, ZERO

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Array = npt.NDArray[Any]
TREE = re.compile(r"^Tree=\d+\n", re.MULTILINE)
MEND = "take the file from its bundle again"
# Up to this many rows each is quicker alone.
FEW = 8
# Bits of a decision type: categories, missing goes left, and above them what is missing.
_CATEGORICAL, _LEFT = 1, 2
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2
_LARGEST = 64  # leaves that a word has room for


@dataclass(frozen=True)
class Compiled:
    """A forest ready to run; shapes as `forest_kernel` has them.

    by_tree: node offsets, channels, thresholds, and masks (or children, where a tree is larger than a word). by_channel: runs,
    thresholds, trees, masks; empty where trees are walked.
    """

    outputs: int
    feature_names: list[str]
    channels: Array
    sets: Array
    by_tree: tuple[Array, Array, Array, Array]
    by_channel: tuple[Array, ...]
    leaf_offsets: Array
    leaves: Floats

    def raw(self, x: Matrix, *, threads: int = 1) -> Floats:
        """[n, columns] to [n, outputs]: sums of the trees' values, in the order of the trees."""
        if x.ndim != 2 or x.shape[1] != len(self.feature_names):
            raise ValueError(f"a forest of {len(self.feature_names)} columns was given rows of shape {x.shape}")
        out = np.zeros((len(x), self.outputs))
        if len(x) <= FEW and self.by_channel:
            self._few(np.ascontiguousarray(x, dtype=np.float32), out)
        else:
            self._many(np.ascontiguousarray(x.T, dtype=np.float32), out, threads)
        return out

    def _few(self, x: Matrix, out: Floats) -> None:
        seen = np.empty(len(self.channels), dtype=np.float32)
        bits = np.empty(len(self.leaf_offsets) - 1, dtype=self.by_channel[-1].dtype)
        rest = (self.channels, self.sets, *self.by_channel, self.leaf_offsets, self.leaves, seen, bits)
        run: Callable[..., None] = forest_kernel.one_row
        for row, into in zip(x, out, strict=True):
            run(row, *rest, into)

    def _many(self, columns: Matrix, out: Floats, threads: int) -> None:
        run: Callable[..., None] = forest_kernel.blocks if self.by_channel else forest_kernel.walks
        each = max(BLOCK, -(-len(out) // (BLOCK * threads)) * BLOCK)

        def part(start: int) -> None:
            stop = min(start + each, len(out))
            run(columns, self.channels, self.sets, *self.by_tree, self.leaf_offsets, self.leaves, start, stop, out)

        for _ in engine.run(part, range(0, len(out), each), threads=threads):
            pass


def compiled(text: str, *, where: str = "booster") -> Compiled:
    """Read a model text. Raises BadInput on one that is damaged, or that holds linear trees or a random forest."""
    if not text.startswith("tree\n") or "end of trees" not in text:
        raise BadInput("not a LightGBM model text", where=where, mend=MEND)
    try:
        return _compiled(*fields_of(text))
    except (KeyError, IndexError, ValueError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"damaged LightGBM model text: {what}", where=where, mend=MEND) from None


def fields_of(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The fields of a model text's header, and those of each of its trees."""
    head, _, _ = text.partition("end of trees")
    header, *trees = TREE.split(head)
    return _fields(header), [_fields(tree) for tree in trees]


def _fields(block: str) -> dict[str, str]:
    return {name: value for name, sign, value in (line.partition("=") for line in block.splitlines()) if sign}


def _compiled(header: Mapping[str, str], trees: Sequence[Mapping[str, str]]) -> Compiled:
    names = header["feature_names"].split()
    outputs = int(header["num_tree_per_iteration"])
    if outputs < 1 or not trees or len(trees) % outputs or len(trees) != len(header["tree_sizes"].split()):
        raise ValueError(f"{len(trees)} trees for {outputs} outputs")
    if "average_output" in header or any(tree.get("is_linear", "0") != "0" for tree in trees):
        raise ValueError("linear trees and random forests are not supported")
    leaf_counts = np.array([int(tree["num_leaves"]) for tree in trees])
    nodes = Nodes.of(trees, leaf_counts - 1, len(names))
    leaves = numbers_of(trees, "leaf_value", leaf_counts, np.float64)
    if not np.isfinite(leaves).all():
        raise ValueError("a leaf without a finite value")
    leaf_offsets, node_offsets = offsets_of(leaf_counts), offsets_of(leaf_counts - 1)
    begins, sizes, places = (np.empty(count, dtype=np.int64) for count in (len(nodes.column), len(nodes.column), len(leaves)))
    wrong = forest_kernel.arrange(nodes.left, nodes.right, node_offsets, leaf_offsets, begins, sizes, places)
    if wrong >= 0:
        raise ValueError(f"Tree={wrong} does not hang together")
    tree_of_leaf = np.repeat(leaf_offsets[:-1], leaf_counts)
    in_order = np.empty_like(leaves)
    in_order[tree_of_leaf + places] = leaves

    channels, looks_at, sets = channels_of(nodes)
    by_tree = (node_offsets, looks_at, nodes.threshold)
    if leaf_counts.max() > _LARGEST:
        inner = np.repeat(node_offsets[:-1], leaf_counts - 1)
        outer = np.repeat(leaf_offsets[:-1], leaf_counts - 1)
        sides = [
            np.where(side >= 0, side + inner, -1 - places[outer - 1 - np.minimum(side, -1)] - outer)
            for side in (nodes.left, nodes.right)
        ]
        return Compiled(outputs, names, channels, sets, (*by_tree, np.stack(sides, axis=1)), (), leaf_offsets, in_order)
    word = np.uint32 if leaf_counts.max() <= 32 else np.uint64
    one = np.uint64(1)
    masks = (~(((one << sizes.astype(np.uint64)) - one) << begins.astype(np.uint64))).astype(word)
    order = np.lexsort((nodes.threshold, looks_at))
    tree_of_node = np.repeat(np.arange(len(trees), dtype=np.uint32), leaf_counts - 1)
    runs = offsets_of(np.bincount(looks_at, minlength=len(channels)))
    by_channel = (runs, nodes.threshold[order], tree_of_node[order], masks[order])
    return Compiled(outputs, names, channels, sets, (*by_tree, masks), by_channel, leaf_offsets, in_order)


@dataclass(frozen=True)
class Nodes:
    """Inner nodes of all trees; set_of: the place in `sets` of a split on categories, or -1."""

    column: Array
    sort: Array
    threshold: Matrix
    sets: Sequence[tuple[int, ...]]
    set_of: Array
    left: Array
    right: Array

    @classmethod
    def of(cls, trees: Sequence[Mapping[str, str]], counts: Array, columns: int) -> "Nodes":
        column = numbers_of(trees, "split_feature", counts, np.int64)
        stated = numbers_of(trees, "threshold", counts, np.float64)
        decision = numbers_of(trees, "decision_type", counts, np.int64)
        if column.size and not 0 <= column.min() <= column.max() < columns:
            raise ValueError("a split on a column that is not there")
        if np.isnan(stated).any() or ((decision < 0) | (decision >> 2 > _NAN_IS_MISSING)).any():
            raise ValueError("a split that is none")
        sort, threshold = _numeric(stated, decision)
        categorical = (decision & _CATEGORICAL) != 0
        sort[categorical], threshold[categorical] = SET, 0.5
        set_of, sets = np.full(len(column), -1, dtype=np.int64), dict[tuple[int, ...], int]()
        tree_of = np.repeat(np.arange(len(trees)), counts)
        for node in np.flatnonzero(categorical).tolist():
            members = _members(trees[tree_of[node]], int(stated[node]))
            set_of[node] = sets.setdefault(members, len(sets))
        sides = (numbers_of(trees, name, counts, np.int64) for name in ("left_child", "right_child"))
        return cls(column, sort, threshold, list(sets), set_of, *sides)


def _numeric(stated: Floats, decision: Array) -> tuple[Array, Matrix]:
    """Sort of channel and float32 threshold of numeric splits."""
    missing, left = decision >> 2 & 3, (decision & _LEFT) != 0
    none = (missing != _ZERO_IS_MISSING) & (missing != _NAN_IS_MISSING)
    left = np.where(none, stated >= 0.0, left)  # where nothing was missing in training, NaN is read as zero
    # Tiny numbers are read as zero: they go with it, to whichever side that is.
    tiny = (np.abs(stated) <= TINY) & (missing != _ZERO_IS_MISSING)
    stated = np.where(
        tiny, np.where(stated >= 0, np.float64(TINY), np.nextafter(-TINY, np.float32(-1), dtype=np.float32)), stated
    )
    with np.errstate(over="ignore"):
        nearest = stated.astype(np.float32)
    threshold = np.where(nearest > stated, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    sort = np.where(missing == _ZERO_IS_MISSING, ZERO, 0) | np.where(left, 0, RIGHT)
    # Nothing is above infinity, so what alone goes right there is told apart by itself.
    only = ~left & np.isposinf(threshold)
    return np.where(only, sort | ONLY, sort), np.where(only, np.float32(0.5), threshold)


def _members(tree: Mapping[str, str], number: int) -> tuple[int, ...]:
    """The words of one set of categories of a tree."""
    boundaries = [int(one) for one in tree["cat_boundaries"].split()]
    words = [int(one) for one in tree["cat_threshold"].split()]
    low, high = boundaries[number : number + 2] if number >= 0 else (0, 0)
    if not 0 <= low < high <= len(words) or not all(0 <= word < 1 << 32 for word in words):
        raise ValueError("a split on categories that are not there")
    return tuple(words[low:high])


def channels_of(nodes: Nodes) -> tuple[Array, Array, Array]:
    """Channels int64[channels, 4], the channel of each node, and the words of all sets."""
    looks = np.stack([nodes.column, nodes.sort, nodes.set_of], axis=1)
    distinct, looks_at = np.unique(looks, axis=0, return_inverse=True)
    words = np.array([word for one in nodes.sets for word in one] or [0], dtype=np.uint32)
    lengths = np.array([*(len(one) for one in nodes.sets), 0], dtype=np.int64)  # the last stands for no set
    starts = np.append(offsets_of(lengths[:-1])[:-1], 0)
    number = distinct[:, 2]
    channels = np.stack([distinct[:, 0], distinct[:, 1], starts[number], lengths[number]], axis=1)
    return np.ascontiguousarray(channels), np.ascontiguousarray(looks_at.reshape(-1)), words


def numbers_of(trees: Sequence[Mapping[str, str]], name: str, counts: Array, kind: Any) -> Array:
    """A field of all trees, one after the other. Raises ValueError where a tree has another number of them."""
    texts = [tree[name].split() if count else () for tree, count in zip(trees, counts.tolist(), strict=True)]
    if any(len(one) != count for one, count in zip(texts, counts.tolist(), strict=True)):
        raise ValueError(f"a tree with too few or too many of {name}")
    return np.array([one for text in texts for one in text], dtype=kind)


def offsets_of(counts: Array) -> Array:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
