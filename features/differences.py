"""What differs between two snapshots."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from features.errors import BadInput
from features.observations import AS_OF
from features.snapshots import Snapshot


def diff(old: Snapshot, new: Snapshot) -> dict[str, Any]:
    """What differs: lake versions, grid, features, rows, and on common rows how many values of each feature changed.

    Raises BadInput where one is of machines and the other of enterprises.
    """
    if old.entity != new.entity:
        what = f"{old.id} is by {old.entity}, {new.id} by {new.entity}"
        raise BadInput(what, where="snapshots", mend="compare snapshots of the same entity")
    shared = [name for name in new.features if name in set(old.features)]
    keys = [old.entity, AS_OF]
    left, right = (one.to_pandas(shared).sort_values(keys).set_index(keys) for one in (old, new))
    common = left.index.intersection(right.index)
    before, after = (frame.loc[common].to_numpy() for frame in (left, right))
    changed = ((before != after) & ~(np.isnan(before) & np.isnan(after))).sum(axis=0)
    versions = {name: [one.manifest["lake_versions"].get(name) for one in (old, new)] for name in _tables(old, new)}
    return {
        "old": old.id,
        "new": new.id,
        "catalog_hash": [old.manifest["catalog_hash"], new.manifest["catalog_hash"]],
        "lake_versions": {name: pair for name, pair in versions.items() if pair[0] != pair[1]},
        "grid": [old.manifest["grid"], new.manifest["grid"]] if old.manifest["grid"] != new.manifest["grid"] else [],
        "features_added": [name for name in new.features if name not in set(old.features)],
        "features_removed": [name for name in old.features if name not in set(new.features)],
        "rows_added": len(right) - len(common),
        "rows_removed": len(left) - len(common),
        "rows_common": len(common),
        "values_changed": {name: int(count) for name, count in zip(shared, changed, strict=True) if count},
    }


def _tables(*found: Snapshot) -> list[str]:
    return sorted({name for one in found for name in one.manifest["lake_versions"]})


def diff_text(found: Mapping[str, Any]) -> str:
    """A `diff` for people: one line per thing that differs."""
    lines = [f"{found['old']} -> {found['new']}"]
    if found["catalog_hash"][0] != found["catalog_hash"][1]:
        lines.append("catalog   " + " -> ".join(found["catalog_hash"]))
    lines += [f"version   {name}: {old} -> {new}" for name, (old, new) in found["lake_versions"].items()]
    if found["grid"]:
        lines.append("grid      " + " -> ".join(json.dumps(grid) for grid in found["grid"]))
    lines += [f"feature   + {name}" for name in found["features_added"]]
    lines += [f"feature   - {name}" for name in found["features_removed"]]
    lines.append(f"rows      +{found['rows_added']:,} -{found['rows_removed']:,}, {found['rows_common']:,} in both")
    lines += [f"values    {name}: {count:,} differ" for name, count in found["values_changed"].items()]
    return "\n".join(lines)
