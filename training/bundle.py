"""The contract with serving: a directory that holds a whole model, checked when it is read. No pickle, no mlflow, no sklearn.

manifest.json      what it is, what it was made from, checksums of the other files, and a seal over itself
members.txt        boosters on resampled machines (LightGBM's text)
full.txt           the booster on all machines, where there is one
calibration.json   the monotone map of the boosters alone

and where networks have entered:
network-*.onnx     one file for each family and seed
blend.json         weights of boosters and networks, and the map of their blend
golden-*.npy       windows of the first golden rows
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.catalog import Catalog, catalog
from features.errors import BadInput
from training.bundle_files import (
    BLEND,
    CALIBRATION,
    FULL,
    GOLDEN_WINDOWS,
    MEMBERS,
    Networks,
    document_of,
    files_of,
    networks_of,
    read_checked,
    save_whole,
)
from training.calibration import Calibration
from training.hazard import Floats
from training.manifest import MANIFEST, Facts, Golden, Manifest, canonical, read_manifest, sha256
from training.model import HazardModel, Matrix
from training.prediction import Prediction, alone, blended, joined, merged
from training.trees import Forest

if TYPE_CHECKING:
    from features.sequences import Batch, Layout

CHUNK = 32_768


class Bundle:
    """A model that answers. Load one from disk, or assemble one after training.

    networks: where they have entered and can run here; lacking: why they cannot, if the manifest names some.
    """

    def __init__(
        self,
        manifest: Manifest,
        model: HazardModel,
        calibration: Calibration,
        networks: Networks | None = None,
        lacking: str | None = None,
    ) -> None:
        self.manifest, self.model, self.calibration = manifest, model, calibration
        self.networks, self.lacking = networks, lacking

    @classmethod
    def assemble(
        cls, model: HazardModel, calibration: Calibration, facts: Facts, golden_x: Matrix, networks: Networks | None = None
    ) -> "Bundle":
        """A bundle named by its content: kind, last training day, and a hash of files and origin.

        networks: their golden windows are those of the first rows of `golden_x`.
        """
        features = catalog(facts.kind)
        files = {name: sha256(data) for name, data in files_of(model, calibration, networks).items()}
        origin = [files, features.hash, facts.snapshot_id, model.structure.model_dump(mode="json"), dict(facts.params)]
        bundle_id = f"machine-{facts.kind.name}-{facts.train_until:%Y%m%d}-{sha256(canonical(origin))[:12]}"
        said = alone(model, calibration, golden_x, ranges=True, threads=1)
        manifest = Manifest(
            bundle_id=bundle_id,
            created_at=facts.created_at,
            kind=facts.kind,
            kinds=facts.kinds,
            catalog_hash=features.hash,
            feature_names=tuple(features.names),
            snapshot_id=facts.snapshot_id,
            lake_versions=dict(facts.lake_versions),
            train_from=facts.train_from,
            train_until=facts.train_until,
            calibrated_until=facts.calibrated_until,
            params=dict(facts.params),
            structure=model.structure,
            windows=networks.model.facts if networks else None,
            golden=Golden(
                x=_rows(golden_x), p=_rows(said.p), low=_rows(said.low), high=_rows(said.high),
                blended=_golden(model, networks, golden_x) if networks else (),
            ),
            files=files,
        )  # fmt: skip
        return cls(manifest.sealed(), model, calibration, networks)

    @classmethod
    def load(cls, path: Path) -> "Bundle":
        """Read and check a bundle directory.

        Raises NotFound if there is none; BadInput if a file is damaged, the format is not known, or the features (or windows)
        that this installation computes are not those that the model was trained on. A network's file that is missing, and
        onnxruntime, are done without: see `lacking`.
        """
        manifest = read_manifest(path)
        where = str(path / MANIFEST)
        onnx = [] if manifest.windows is None else [file for files in manifest.windows.files.values() for file in files]
        beside = {BLEND, *GOLDEN_WINDOWS, *onnx} if onnx else set()
        if set(manifest.files) - {FULL} != {MEMBERS, CALIBRATION} | beside:
            raise BadInput(f"lists the files {', '.join(sorted(manifest.files))}", where=where, mend="copy the bundle again")
        gone = [name for name in onnx if not (path / name).exists()]
        data = {name: read_checked(path / name, sum_) for name, sum_ in manifest.files.items() if name not in gone}
        members = Forest(data[MEMBERS].decode(), where=str(path / MEMBERS))
        full = Forest(data[FULL].decode(), where=str(path / FULL)) if FULL in data else None
        calibration = document_of(Calibration, data[CALIBRATION], path / CALIBRATION)
        networks, lacking = None, f"its file {gone[0]} is missing" if gone else None
        if onnx and not gone:
            networks, lacking = networks_of(manifest, data, path)
        bundle = cls(manifest, HazardModel(manifest.structure, members, full), calibration, networks, lacking)
        _check_features(manifest, bundle.catalog, str(path))
        if bundle.layout is not None and manifest.windows is not None and bundle.layout.hash != manifest.windows.hash:
            what = f"networks trained on windows {manifest.windows.hash}, this installation gathers {bundle.layout.hash}"
            raise BadInput(what, where=str(path), mend="train again, or install the version that made the bundle")
        for forest in (members, full or members):
            _check_boosters(manifest, forest, str(path))
        return bundle

    def save(self, path: Path) -> Path:
        """Write the directory in one step: it is there whole or not at all. The same bundle is mended file by file.

        Raises Conflict if another bundle is there.
        """
        files = files_of(self.model, self.calibration, self.networks)
        files |= {MANIFEST: self.manifest.model_dump_json(indent=1).encode()}
        return save_whole(path, files, self.manifest.bundle_id, lambda there: read_manifest(there).bundle_id)

    def with_metrics(self, metrics: Mapping[str, float]) -> "Bundle":
        """The same bundle, same id, with figures of its evaluation in the manifest; those that are no number are left out."""
        told = {name: float(value) for name, value in metrics.items() if np.isfinite(value)}
        manifest = self.manifest.model_copy(update={"metrics": told})
        return Bundle(manifest.sealed(), self.model, self.calibration, self.networks, self.lacking)

    @cached_property
    def catalog(self) -> Catalog:
        return catalog(self.manifest.kind)

    @cached_property
    def layout(self) -> "Layout | None":
        """What the windows of its networks hold; None for a bundle without networks."""
        if self.manifest.windows is None:
            return None
        from features import sequences

        return sequences.layout(self.manifest.kind, self.manifest.windows.hours)

    def predict(self, x: Matrix, windows: "Batch | None" = None, *, ranges: bool = True, threads: int = 1) -> Prediction:
        """Probabilities of rows [n, features] float32 (NaN = missing); p24 <= p48 <= p72 and low <= p <= high on every row.

        windows: of the same rows, for the networks. Without them, and where a window is too short, the boosters answer alone
        with their own map. ranges=False leaves out what only the range needs. Raises BadInput on another number of columns.
        """
        self._check(x, windows)
        if windows is None or self.networks is None:
            cuts = [slice(start, start + CHUNK) for start in range(0, max(1, len(x)), CHUNK)]
            parts = [alone(self.model, self.calibration, x[cut], ranges=ranges, threads=threads) for cut in cuts]
            return parts[0] if len(parts) == 1 else joined(parts)
        return merged(len(x), self._with_windows(self.networks, x, windows, ranges, threads))

    def _with_windows(
        self, networks: Networks, x: Matrix, windows: "Batch", ranges: bool, threads: int
    ) -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int64]], Prediction]]:
        enough = networks.model.facts.enough(windows[0])
        for rows in np.array_split(np.flatnonzero(~enough), 1 + len(x) // CHUNK):
            if len(rows):
                yield rows, alone(self.model, self.calibration, x[rows], ranges=ranges, threads=threads)
        for rows in np.array_split(np.flatnonzero(enough), 1 + len(x) // CHUNK):
            if len(rows):
                said = networks.model.logs(windows if len(rows) == len(x) else type(windows)(*(one[rows] for one in windows)))
                yield rows, blended(self.model, said, networks.blend, x[rows], ranges=ranges, threads=threads)

    def without(self, windows: "Batch | None") -> str | None:
        """Why the networks have no say in a score of the one window; None where they have, or the bundle has none."""
        if self.manifest.windows is None:
            return None
        if self.lacking is not None:
            return self.lacking
        return "no window of readings" if windows is None else self.manifest.windows.why_not(windows[0][0])

    def contributions(self, x: Matrix, *, threads: int = 1) -> tuple[Floats, float]:
        """([n, features], base): what each feature adds to cloglog(p72) of the boosters alone; base + the row's sum is that."""
        self._check(x)
        if not len(x):
            return np.empty(x.shape), float("nan")
        return self.model.contributions(x, self.calibration, threads=threads)

    def check_golden(self) -> None:
        """Raises BadInput unless the bundle gives its own golden rows the answers of the day it was made."""
        golden = self.manifest.golden
        x = np.array([[np.nan if v is None else v for v in row] for row in golden.x], dtype=np.float32)
        x = x.reshape(len(golden.x), len(self.manifest.feature_names))
        answers = [(self.predict(x), (golden.p, golden.low, golden.high))]
        if self.networks is not None:
            some = x[: len(self.networks.golden[0])]
            answers.append((_blended(self.model, self.networks, some), golden.blended))  # type: ignore[arg-type]
        for said, wanted in answers:
            for name, expected in zip(("p", "low", "high"), wanted, strict=True):
                if not np.allclose(getattr(said, name), np.array(expected).reshape(-1, 3), rtol=1e-9, atol=1e-15):
                    raise BadInput(
                        "golden rows are answered differently than when the bundle was made",
                        where=self.manifest.bundle_id, mend="restore the bundle or the environment it was made in",
                    )  # fmt: skip

    def _check(self, x: Matrix, windows: "Batch | None" = None) -> None:
        if x.ndim != 2 or x.shape[1] != len(self.manifest.feature_names):
            raise BadInput(
                f"feature matrix of shape {x.shape}, expected [n, {len(self.manifest.feature_names)}]",
                where=self.manifest.bundle_id, mend="compute the features with this bundle's catalog",
            )  # fmt: skip
        facts = self.manifest.windows
        if windows is not None and facts is not None:
            expected = ((len(x), facts.steps, len(facts.names)), (len(x), len(facts.static)))
            if tuple(part.shape for part in windows) != expected:
                what = f"windows of shapes {tuple(part.shape for part in windows)}, expected {expected}"
                raise BadInput(what, where=self.manifest.bundle_id, mend="gather them with this bundle's layout")


def _blended(model: HazardModel, networks: Networks, x: Matrix) -> Prediction:
    from features.sequences import Batch

    return blended(model, networks.model.logs(Batch(*networks.golden)), networks.blend, x, ranges=True, threads=1)


def _golden(model: HazardModel, networks: Networks, x: Matrix) -> tuple[tuple[tuple[float | None, ...], ...], ...]:
    said = _blended(model, networks, x[: len(networks.golden[0])])
    return tuple(_rows(part) for part in (said.p, said.low, said.high))


def _check_features(manifest: Manifest, features: Catalog, where: str) -> None:
    if features.hash != manifest.catalog_hash or tuple(features.names) != manifest.feature_names:
        raise BadInput(
            f"trained on catalog {manifest.catalog_hash}, this installation computes {features.hash}",
            where=where, mend="train again, or install the version that made the bundle",
        )  # fmt: skip


def _check_boosters(manifest: Manifest, forest: Forest, where: str) -> None:
    views = manifest.structure.views
    columns = len(views[0]) + 1 if views else len(manifest.feature_names)
    if len(forest.feature_names) != columns or forest.outputs % manifest.structure.outputs:
        found = f"boosters of {len(forest.feature_names)} columns and {forest.outputs} outputs"
        raise BadInput(f"{found} do not fit the manifest", where=where, mend="copy the bundle again")


def _rows(values: np.ndarray[Any, Any]) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if np.isnan(value) else float(value) for value in row) for row in values)
