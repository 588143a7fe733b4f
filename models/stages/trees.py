"""Boosted trees as LightGBM writes them, evaluated with NumPy: who serves a ranker needs no LightGBM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

CATEGORICAL, DEFAULT_LEFT = 1, 2  # bits of a decision's type; the two above them say how NaN is taken
NAN_IS_ZERO, NAN_HAS_A_SIDE = 0, 2


@dataclass(frozen=True, eq=False)
class Trees:
    """The nodes of all trees; leaves are nodes that lead to themselves."""

    roots: NDArray[np.int64]  # [trees]
    feature: NDArray[np.int64]  # [nodes]
    threshold: NDArray[np.float64]  # [nodes]; what is not above it goes left
    nan_left: NDArray[np.bool_]  # [nodes]
    left: NDArray[np.int64]  # [nodes]
    right: NDArray[np.int64]  # [nodes]
    value: NDArray[np.float64]  # [nodes], of a leaf
    depth: int

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of what each tree says, [rows], of features [rows, features]; the bytes are LightGBM's."""
        rows = np.arange(len(features))
        node = np.repeat(self.roots[:, None], len(features), axis=1)  # [trees, rows]
        for _ in range(self.depth):
            given = features[rows, self.feature[node]]  # [trees, rows]
            left = np.where(np.isnan(given), self.nan_left[node], given <= self.threshold[node])
            node = np.where(left, self.left[node], self.right[node])
        total = np.zeros(len(features))
        for of_tree in self.value[node]:  # in the order of the trees, as LightGBM adds them up
            total += of_tree
        return total

    @classmethod
    def parse(cls, text: str, n_features: int) -> Self:
        """From LightGBM's text of a model of numbers alone. Raises ValueError where it is none."""
        trees = [_lines(block) for block in text.partition("\nend of trees")[0].split("\nTree=")[1:]]
        if "end of trees" not in text or not trees:
            raise ValueError("there are no trees")
        made, roots, start = [], [], 0
        for tree in trees:
            roots.append(start)
            made.append(_nodes(tree, start))
            start += len(made[-1][0])
        feature, threshold, nan_left, left, right, value = (
            np.concatenate(column) for column in zip(*made, strict=True)
        )
        if feature.max(initial=0) >= n_features:
            raise ValueError(f"a tree asks for feature {feature.max()} of {n_features}")
        depth = max(_depth(root, left, right) for root in roots)
        return cls(np.array(roots), feature, threshold, nan_left, left, right, value, depth)


Nodes = tuple[
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.bool_],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
]


def _lines(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _nodes(tree: Mapping[str, str], start: int) -> Nodes:
    """The splits of a tree and behind them its leaves, as nodes counted from `start`."""
    try:
        leaves = np.array(tree["leaf_value"].split(), dtype=np.float64)
        none = "" if len(leaves) == 1 else None
        columns = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
        given = [(tree[name] if none is None else tree.get(name, none)).split() for name in columns]
    except KeyError as error:
        raise ValueError(f"a tree has no {error}") from None
    feature, kinds, left, right = (np.array(given[i], dtype=np.int64) for i in (0, 2, 3, 4))
    splits = len(leaves) - 1
    if {len(of) for of in given} != {splits}:
        raise ValueError("a tree has fewer splits than its leaves need")
    missing = (kinds >> 2) & 3
    if np.any(kinds & CATEGORICAL) or not np.isin(missing, (NAN_IS_ZERO, NAN_HAS_A_SIDE)).all():
        raise ValueError("a tree splits by something else than numbers")
    children = [np.where(side >= 0, side, splits + ~side) for side in (left, right)]  # ~i is leaf i
    if any(np.any((side < 0) | (side >= splits + len(leaves))) for side in children):
        raise ValueError("a tree leads to a node that it does not have")
    threshold = np.array(given[1], dtype=np.float64)
    nan_left = np.where(missing == NAN_HAS_A_SIDE, (kinds & DEFAULT_LEFT) > 0, threshold >= 0)
    own = start + splits + np.arange(len(leaves))
    pad = np.zeros(len(leaves))
    return (
        np.r_[feature, pad.astype(np.int64)],
        np.r_[threshold, pad],
        np.r_[nan_left, pad.astype(np.bool_)],
        np.r_[start + children[0], own],
        np.r_[start + children[1], own],
        np.r_[np.zeros(splits), leaves],
    )


def _depth(root: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    """Splits on the longest way down. Raises ValueError where a way has no end."""
    level, depth = np.array([root]), 0
    while np.any(inner := left[level] != level):
        level = np.unique(np.r_[left[level[inner]], right[level[inner]]])
        depth += 1
        if depth > len(left):
            raise ValueError("a tree goes round in a circle")
    return depth
