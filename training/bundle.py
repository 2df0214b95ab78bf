"""The contract with serving: a directory that holds a whole model, checked when it is read. No pickle, no mlflow, no sklearn.

manifest.json      what it is, what it was made from, checksums of the other files, and a seal over itself
members.txt        boosters on resampled machines (LightGBM's text)
full.txt           the booster on all machines, where there is one
calibration.json   the monotone map
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from features.catalog import Catalog, catalog
from features.errors import BadInput, Conflict
from training.calibration import Calibration
from training.hazard import Floats, from_cloglog
from training.manifest import MANIFEST, Facts, Golden, Manifest, canonical, read_manifest, sha256
from training.model import HazardModel, Matrix, pooled
from training.trees import Forest

MEMBERS, FULL, CALIBRATION = "members.txt", "full.txt", "calibration.json"
CHUNK = 32_768
# Student's t, 95 % quantile, by degrees of freedom: members are few, so their spread says less than it seems to.
_T95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753)


@dataclass(frozen=True)
class Prediction:
    """[n, 3] probabilities of failure within 24, 48, 72 hours and their 90 % range (equal to p where it was not asked for)."""

    p: Floats
    low: Floats
    high: Floats


class Bundle:
    """A model that answers. Load one from disk, or assemble one after training."""

    def __init__(self, manifest: Manifest, model: HazardModel, calibration: Calibration) -> None:
        self.manifest, self.model, self.calibration = manifest, model, calibration

    @classmethod
    def assemble(cls, model: HazardModel, calibration: Calibration, facts: Facts, golden_x: Matrix) -> "Bundle":
        """A bundle named by its content: kind, last training day, and a hash of files and origin."""
        features = catalog(facts.kind)
        files = {name: sha256(data) for name, data in _files(model, calibration).items()}
        origin = [files, features.hash, facts.snapshot_id, model.structure.model_dump(mode="json"), dict(facts.params)]
        bundle_id = f"machine-{facts.kind.name}-{facts.train_until:%Y%m%d}-{sha256(canonical(origin))[:12]}"
        said = _predict(model, calibration, golden_x, ranges=True, threads=1)
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
            golden=Golden(x=_rows(golden_x), p=_rows(said.p), low=_rows(said.low), high=_rows(said.high)),
            files=files,
        )
        return cls(manifest.sealed(), model, calibration)

    @classmethod
    def load(cls, path: Path) -> "Bundle":
        """Read and check a bundle directory.

        Raises NotFound if there is none; BadInput if a file is damaged, the format is not known, or the features that this
        installation computes are not those that the model was trained on.
        """
        manifest = read_manifest(path)
        if set(manifest.files) - {FULL} != {MEMBERS, CALIBRATION}:
            listed = ", ".join(sorted(manifest.files))
            raise BadInput(f"lists the files {listed}", where=str(path / MANIFEST), mend="copy the bundle again")
        data = {name: _read_checked(path / name, expected) for name, expected in manifest.files.items()}
        members = Forest(data[MEMBERS].decode(), where=str(path / MEMBERS))
        full = Forest(data[FULL].decode(), where=str(path / FULL)) if FULL in data else None
        try:
            calibration = Calibration.model_validate_json(data[CALIBRATION])
        except ValidationError as error:
            what = f"not a calibration: {error.errors()[0]['msg']}"
            raise BadInput(what, where=str(path / CALIBRATION), mend="copy the bundle again") from None
        bundle = cls(manifest, HazardModel(manifest.structure, members, full), calibration)
        _check_features(manifest, bundle.catalog, str(path))
        for forest in (members, full or members):
            _check_boosters(manifest, forest, str(path))
        return bundle

    def save(self, path: Path) -> Path:
        """Write the directory in one step: it is there whole or not at all. The same bundle is mended file by file.

        Raises Conflict if another bundle is there.
        """
        files = _files(self.model, self.calibration) | {MANIFEST: self.manifest.model_dump_json(indent=1).encode()}
        if path.exists():
            if read_manifest(path).bundle_id != self.manifest.bundle_id:
                raise Conflict("another bundle is there", where=str(path), mend="save to a directory named by the bundle's id")
            for name, data in files.items():
                _write(path / f".{name}", data).replace(path / name)
            return path
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        for name, data in files.items():
            _write(beside / name, data)
        beside.rename(path)
        return path

    def with_metrics(self, metrics: Mapping[str, float]) -> "Bundle":
        """The same bundle, same id, with figures of its evaluation in the manifest; those that are no number are left out."""
        told = {name: float(value) for name, value in metrics.items() if np.isfinite(value)}
        manifest = self.manifest.model_copy(update={"metrics": told})
        return Bundle(manifest.sealed(), self.model, self.calibration)

    @cached_property
    def catalog(self) -> Catalog:
        return catalog(self.manifest.kind)

    def predict(self, x: Matrix, *, ranges: bool = True, threads: int = 1) -> Prediction:
        """Probabilities of rows [n, features] float32 (NaN = missing); p24 <= p48 <= p72 and low <= p <= high on every row.

        ranges=False leaves out what only the range needs. Raises BadInput on another number of columns.
        """
        self._check(x)
        if len(x) <= CHUNK:
            return _predict(self.model, self.calibration, x, ranges=ranges, threads=threads)
        parts = [
            _predict(self.model, self.calibration, x[start : start + CHUNK], ranges=ranges, threads=threads)
            for start in range(0, len(x), CHUNK)
        ]
        return Prediction(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("p", "low", "high")))

    def contributions(self, x: Matrix, *, threads: int = 1) -> tuple[Floats, float]:
        """([n, features], base): what each feature adds to cloglog(p72); base + the row's sum is that score."""
        self._check(x)
        if not len(x):
            return np.empty(x.shape), float("nan")
        return self.model.contributions(x, self.calibration, threads=threads)

    def check_golden(self) -> None:
        """Raises BadInput unless the bundle gives its own golden rows the answers of the day it was made."""
        golden = self.manifest.golden
        x = np.array([[np.nan if v is None else v for v in row] for row in golden.x], dtype=np.float32)
        said = self.predict(x.reshape(len(golden.x), len(self.manifest.feature_names)))
        for name in ("p", "low", "high"):
            expected = np.array(getattr(golden, name)).reshape(-1, 3)
            if not np.allclose(getattr(said, name), expected, rtol=1e-9, atol=1e-15):
                raise BadInput(
                    "golden rows are answered differently than when the bundle was made",
                    where=self.manifest.bundle_id, mend="restore the bundle or the environment it was made in",
                )  # fmt: skip

    def _check(self, x: Matrix) -> None:
        if x.ndim != 2 or x.shape[1] != len(self.manifest.feature_names):
            raise BadInput(
                f"feature matrix of shape {x.shape}, expected [n, {len(self.manifest.feature_names)}]",
                where=self.manifest.bundle_id, mend="compute the features with this bundle's catalog",
            )  # fmt: skip


def _predict(model: HazardModel, calibration: Calibration, x: Matrix, *, ranges: bool, threads: int) -> Prediction:
    if not ranges:
        p = from_cloglog(calibration.apply(model.point_scores(x, threads=threads)))
        return Prediction(p, p, p)
    members = model.member_scores(x, threads=threads)
    point = model.point_scores(x, threads=threads) if model.full else pooled(members)
    score = calibration.apply(point)
    count = members.shape[1]
    apart = calibration.apply(members) - score[:, None]
    variance = np.einsum("nmk,nmk->nk", apart, apart) / max(1, count - 1) + calibration.variance(point)
    half = _T95[min(count - 1, len(_T95)) - 1] * np.sqrt(variance)
    # Ordered by horizon like p: the lower bound of a longer horizon is one for the shorter, the upper one the other way round.
    low = np.minimum.accumulate((score - half)[:, ::-1], axis=1)[:, ::-1]
    high = np.maximum.accumulate(score + half, axis=1)
    return Prediction(*(from_cloglog(part) for part in (score, low, high)))


def _files(model: HazardModel, calibration: Calibration) -> dict[str, bytes]:
    files = {MEMBERS: model.members.text.encode(), CALIBRATION: calibration.model_dump_json(indent=1).encode()}
    if model.full:
        files[FULL] = model.full.text.encode()
    return files


def _read_checked(path: Path, expected: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError:
        raise BadInput("a file of the bundle is missing", where=str(path), mend="copy the bundle again") from None
    if sha256(data) != expected:
        raise BadInput("damaged: its checksum is not the manifest's", where=str(path), mend="copy the bundle again")
    return data


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


def _write(path: Path, data: bytes) -> Path:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return path
