"""Kernels that run a forest: one row with the least delay, or blocks of rows with every node of a tree at once.

Both follow QuickScorer (Lucchese et al. 2015, SIGIR): the leaves of a tree stand in order as bits of a word, a node whose
condition fails clears the leaves on its left, and the lowest bit left is the leaf that the row falls into. A row's nodes are
sorted by what they look at and by threshold, so that the first condition that holds ends a run; a block goes tree by tree,
each node against all of its rows in one vector operation (as in Lucchese et al. 2016). Trees too large for a word are walked.

What a node looks at is a channel: a column with its missing values put where the node sends them, or, of a column of
categories, whether the category is not in the node's set. Every condition is then `channel <= threshold`, without exception.
"""

from typing import Any

import numpy as np
from numba import types
from numba.core.cgutils import true_bit
from numba.extending import intrinsic

from features.kernel_cache import compiled

# What a channel makes of its column: whether zero is missing too, whether what is missing goes right, whether nothing else
# does; or a set of categories.
ZERO, RIGHT, ONLY, SET = 1, 2, 4, 8
# LightGBM reads numbers this near to zero as zero (its kZeroThreshold, a float32).
TINY = np.float32(1e-35)
# Rows in a block: the bits, the channels and the sums of a block stay in the core's own caches.
BLOCK = 128

jit = compiled(nogil=True, fastmath=False, error_model="numpy")


def _count_zeros(context, bits):  # type: ignore[no-untyped-def]

    def generate(_, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], true_bit)

    return (bits(bits), generate) if isinstance(bits, types.Integer) else None


_lowest: Any = intrinsic(_count_zeros)  # position of the lowest bit that is set


@jit
def _seen(x, sort, start, words, sets):  # type: ignore[no-untyped-def]
    """A channel's value of a column's value."""
    if sort & SET:
        if not (-1.0 < x < 2147483648.0):  # NaN, negative, or beyond the integers that LightGBM casts to
            return np.float32(1.0)
        word = np.int64(x) >> 5
        inside = word < words and sets[start + word] >> np.uint32(np.int64(x) & 31) & np.uint32(1)
        return np.float32(0.0) if inside else np.float32(1.0)
    missing = np.isnan(x) or (sort & ZERO and abs(x) <= TINY)
    if sort & ONLY:
        return np.float32(1.0) if missing else np.float32(0.0)
    if missing:
        return np.float32(np.inf) if sort & RIGHT else np.float32(-np.inf)
    return x


@jit
def one_row(x, channels, sets, runs, thresholds, trees, masks, leaf_offsets, leaves, seen, bits, out):  # type: ignore[no-untyped-def]
    """Add the forest's values of one row x float32[columns] to out float64[outputs], tree by tree.

    channels: int64[channels, 4] of column, sort, first word and words of its set. runs: int64[channels + 1], the nodes of each
    channel, ascending by `thresholds`; trees and masks: whose leaves they clear, and which ones. seen, bits: room to work in.
    """
    for c in range(len(channels)):
        seen[c] = _seen(x[channels[c, 0]], channels[c, 1], channels[c, 2], channels[c, 3], sets)
    bits[:] = ~bits.dtype.type(0)
    for c in range(len(channels)):
        value = seen[c]
        for node in range(runs[c], runs[c + 1]):
            if value <= thresholds[node]:
                break
            bits[trees[node]] &= masks[node]
    place = 0
    for tree in range(len(leaf_offsets) - 1):
        out[place] += leaves[leaf_offsets[tree] + np.int64(_lowest(bits[tree]))]
        place += 1
        if place == len(out):
            place = 0


@jit
def blocks(x, channels, sets, node_offsets, looks_at, thresholds, masks, leaf_offsets, leaves, low, high, out):  # type: ignore[no-untyped-def]
    """Write the forest's values of columns x float32[columns, rows] into out float64[rows, outputs], for rows [low, high).

    node_offsets: int64[trees + 1]; looks_at, thresholds, masks: of the nodes, tree after tree.
    """
    outputs, every = out.shape[1], ~masks.dtype.type(0)
    seen = np.empty((len(channels), BLOCK), dtype=np.float32)
    sums = np.empty((outputs, BLOCK))
    bits = np.empty(BLOCK, dtype=masks.dtype)
    for start in range(low, high, BLOCK):
        n = min(BLOCK, high - start)
        _fill(x, channels, sets, start, n, seen)
        sums[:] = 0.0
        for tree in range(len(leaf_offsets) - 1):
            into, first = sums[tree % outputs], leaf_offsets[tree]
            bits[:] = every
            for node in range(node_offsets[tree], node_offsets[tree + 1]):
                values, threshold, mask = seen[looks_at[node]], thresholds[node], masks[node]
                for row in range(n):
                    bits[row] &= every if values[row] <= threshold else mask
            for row in range(n):
                into[row] += leaves[first + np.int64(_lowest(bits[row]))]
        for row in range(n):
            for place in range(outputs):
                out[start + row, place] = sums[place, row]


@jit
def walks(x, channels, sets, node_offsets, looks_at, thresholds, children, leaf_offsets, leaves, low, high, out):  # type: ignore[no-untyped-def]
    """As `blocks`, for trees of any size. children: int64[nodes, 2], left and right: a node, or -1 - the place of a leaf."""
    outputs = out.shape[1]
    seen = np.empty((len(channels), BLOCK), dtype=np.float32)
    for start in range(low, high, BLOCK):
        n = min(BLOCK, high - start)
        _fill(x, channels, sets, start, n, seen)
        for row in range(n):
            out[start + row] = 0.0
        for tree in range(len(leaf_offsets) - 1):
            for row in range(n):
                node = node_offsets[tree] if node_offsets[tree] < node_offsets[tree + 1] else -1 - leaf_offsets[tree]
                while node >= 0:
                    node = children[node, 0 if seen[looks_at[node], row] <= thresholds[node] else 1]
                out[start + row, tree % outputs] += leaves[-1 - node]


@jit
def shapley(  # type: ignore[no-untyped-def]
    x, channels, sets, looks_at, thresholds, leaves, outputs, elements_of, columns, shares, conditions_of, conditions,
    at, weight, low, high, out,
):  # fmt: skip
    """Add Shapley values of rows [low, high) of x float32[rows, columns] to out float64[rows, outputs, columns + 1].

    leaves, outputs: of each leaf its value and the output that it adds to; elements_of: int64[leaves + 1], what its path looks
    at: a column, the share of training rows that went this way, and conditions (a node, 1 for left) by conditions_of. at,
    weight: nodes and weights of the integral.
    """
    seen = np.empty(len(channels), dtype=np.float32)
    went = np.empty(len(looks_at), dtype=np.int64)
    deepest = 0
    for leaf in range(len(leaves)):
        deepest = max(deepest, elements_of[leaf + 1] - elements_of[leaf])
    factors = np.empty((deepest, len(at)))
    whole = np.empty(len(at))
    fulfilled = np.empty(deepest)
    for row in range(low, high):
        for c in range(len(channels)):
            seen[c] = _seen(x[row, channels[c, 0]], channels[c, 1], channels[c, 2], channels[c, 3], sets)
        for node in range(len(looks_at)):
            went[node] = 1 if seen[looks_at[node]] <= thresholds[node] else 0
        for leaf in range(len(leaves)):
            first, stop = elements_of[leaf], elements_of[leaf + 1]
            whole[:] = leaves[leaf]
            for element in range(first, stop):
                one = 1.0
                for condition in range(conditions_of[element], conditions_of[element + 1]):
                    if went[conditions[condition, 0]] != conditions[condition, 1]:
                        one = 0.0
                fulfilled[element - first] = one
                for q in range(len(at)):
                    factors[element - first, q] = one * at[q] + shares[element] * (1.0 - at[q])
                    whole[q] *= factors[element - first, q]
            for element in range(first, stop):
                total = 0.0
                for q in range(len(at)):
                    total += weight[q] * whole[q] / factors[element - first, q]
                out[row, outputs[leaf], columns[element]] += (fulfilled[element - first] - shares[element]) * total


@jit
def arrange(left, right, node_offsets, leaf_offsets, begins, sizes, places):  # type: ignore[no-untyped-def]
    """Number each tree's leaves from left to right; the first tree that is none, or -1.

    left, right: int64[nodes], as LightGBM writes them: a later node of the tree, or -1 - a leaf. Written: begins and sizes
    int64[nodes], the first leaf below a node and how many are on its left; places int64[leaves], the number of each leaf.
    """
    begins[:] = -1
    places[:] = -1
    for tree in range(len(node_offsets) - 1):
        first, n, leaf = node_offsets[tree], node_offsets[tree + 1] - node_offsets[tree], leaf_offsets[tree]
        if n == 0:
            places[leaf] = 0
            continue
        whole = np.ones(n, dtype=np.int64)
        for node in range(n - 1, -1, -1):
            whole[node] = 0
            for child in (left[first + node], right[first + node]):
                if child >= n or child < -1 - n or 0 <= child <= node:
                    return tree
                whole[node] += 1 if child < 0 else whole[child]
            sizes[first + node] = 1 if left[first + node] < 0 else whole[left[first + node]]
        begins[first] = 0
        for node in range(n):
            begin = begins[first + node]
            for child in (left[first + node], right[first + node]):
                into, at = (places, leaf - 1 - child) if child < 0 else (begins, first + child)
                if begin < 0 or into[at] >= 0:
                    return tree
                into[at] = begin
                begin += sizes[first + node]
    return -1


@jit
def _fill(x, channels, sets, start, n, seen):  # type: ignore[no-untyped-def]
    for c in range(len(channels)):
        column, sort, first, words = channels[c]
        for row in range(n):
            seen[c, row] = _seen(x[column, start + row], sort, first, words, sets)
