"""What each feature adds to a forest's raw scores: tree SHAP values (Lundberg et al. 2018), leaf by leaf.

A leaf's value times the product of its features' conditions is a game of the features on its path: a feature that is known
contributes 1 or 0, whether the row fulfils its conditions; one that is not known contributes the share of the training rows
that fulfilled them. Its Shapley values are the derivative of the multilinear extension along the diagonal (Owen 1972),

    value x (fulfilled - share) x integral over t from 0 to 1 of the product over the others of (fulfilled t + share (1 - t)),

a polynomial that Gauss-Legendre nodes integrate exactly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features import engine
from features.errors import BadInput
from training import forest_kernel
from training.forest import MEND, Array, Floats, Matrix, Nodes, channels_of, fields_of, numbers_of, offsets_of


@dataclass(frozen=True)
class Reasons:
    """The leaves of a forest, each with the features on its path; shapes as `forest_kernel.shapley` has them."""

    columns: int
    expected: Floats
    channels: Array
    sets: Array
    looks_at: Array
    thresholds: Matrix
    leaves: tuple[Array, Array, Array]  # values, outputs, offsets of elements
    elements: tuple[Array, Array, Array]  # features, shares, offsets of conditions
    conditions: Array  # int64[conditions, 2]: a node, and 1 where the path goes left

    def values(self, x: Matrix, *, threads: int = 1) -> Floats:
        """[n, outputs, features + 1]: what each feature adds to each output; the expected output last."""
        out = np.zeros((len(x), len(self.expected), self.columns + 1))
        out[:, :, -1] = self.expected
        deepest = int(np.diff(self.leaves[2]).max(initial=1))
        at, weight = np.polynomial.legendre.leggauss(max(1, (deepest + 1) // 2))
        looks = (self.channels, self.sets, self.looks_at, self.thresholds)
        rows = np.ascontiguousarray(x, dtype=np.float32)
        run: Callable[..., None] = forest_kernel.shapley
        each = max(1, -(-len(x) // threads))

        def part(start: int) -> None:
            stop = min(start + each, len(x))
            run(rows, *looks, *self.leaves, *self.elements, self.conditions, (at + 1) / 2, weight / 2, start, stop, out)

        for _ in engine.run(part, range(0, len(x), each), threads=threads):
            pass
        return out


def reasons_of(text: str, outputs: Sequence[int], *, where: str = "booster") -> Reasons:
    """Read what is needed of some outputs of a model text. Raises BadInput where it is not said how often a leaf was met."""
    header, trees = fields_of(text)
    each = int(header["num_tree_per_iteration"])
    chosen = [(outputs.index(number % each), tree) for number, tree in enumerate(trees) if number % each in outputs]
    try:
        return _read([tree for _, tree in chosen], [output for output, _ in chosen], len(header["feature_names"].split()))
    except (KeyError, ValueError) as error:
        raise BadInput(f"damaged LightGBM model text: no reasons without {error}", where=where, mend=MEND) from None


def _read(trees: Sequence[Mapping[str, str]], output_of: Sequence[int], columns: int) -> Reasons:
    leaf_counts = np.array([int(tree["num_leaves"]) for tree in trees])
    nodes = Nodes.of(trees, leaf_counts - 1, columns)
    channels, looks_at, sets = channels_of(nodes)
    values = numbers_of(trees, "leaf_value", leaf_counts, np.float64)
    # A tree that never split says of its one leaf nothing but its value.
    split = leaf_counts > 1
    met = np.ones(len(values))
    met[np.repeat(split, leaf_counts)] = numbers_of(trees, "leaf_count", np.where(split, leaf_counts, 0), np.float64)
    inner = numbers_of(trees, "internal_count", leaf_counts - 1, np.float64)
    first_leaf, first_node = offsets_of(leaf_counts), offsets_of(leaf_counts - 1)
    expected = np.zeros(max(output_of) + 1)
    paths: list[list[tuple[int, float, list[tuple[int, int]]]]] = []
    kept: list[int] = []
    for number, output in enumerate(output_of):
        leaf, node = first_leaf[number], first_node[number]
        own = slice(leaf, first_leaf[number + 1])
        expected[output] += float(values[own] @ met[own] / met[own].sum())
        if split[number]:
            for place, path in _paths(nodes, node, leaf, inner, met):
                kept.append(place)
                paths.append(path)
    elements = [element for path in paths for element in path]
    conditions = [condition for _, _, found in elements for condition in found]
    return Reasons(
        columns=columns,
        expected=expected,
        channels=channels,
        sets=sets,
        looks_at=looks_at,
        thresholds=nodes.threshold,
        leaves=(
            values[kept],
            np.repeat(np.array(output_of, dtype=np.int64), leaf_counts)[kept],
            offsets_of(np.array([len(path) for path in paths], dtype=np.int64)),
        ),
        elements=(
            np.array([feature for feature, _, _ in elements], dtype=np.int64),
            np.array([share for _, share, _ in elements]),
            offsets_of(np.array([len(found) for _, _, found in elements], dtype=np.int64)),
        ),
        conditions=np.array(conditions, dtype=np.int64).reshape(-1, 2),
    )


def _paths(
    nodes: Nodes, first_node: int, first_leaf: int, inner: Floats, met: Floats
) -> list[tuple[int, list[tuple[int, float, list[tuple[int, int]]]]]]:
    """Each leaf of a tree with the features on its path: (feature, share of the rows that went that way, conditions)."""
    found = []
    waiting: list[tuple[int, dict[int, tuple[float, list[tuple[int, int]]]]]] = [(first_node, {})]
    while waiting:
        node, path = waiting.pop()
        feature = int(nodes.column[node])
        share, conditions = path.get(feature, (1.0, []))
        for child, left in ((int(nodes.left[node]), 1), (int(nodes.right[node]), 0)):
            place = first_leaf - 1 - child if child < 0 else first_node + child
            went = (met[place] if child < 0 else inner[place]) / inner[node]
            longer = path | {feature: (share * went, [*conditions, (node, left)])}
            if child < 0:
                found.append((place, [(one, *rest) for one, rest in longer.items()]))
            else:
                waiting.append((place, longer))
    return found
