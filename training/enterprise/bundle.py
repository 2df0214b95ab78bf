"""The enterprise scores as a directory that serving reads: checked, sealed, no pickle, no lightgbm, no sklearn.

manifest.json   what it is, what it was made from, checksums of the other files, and a seal over itself
linear.json     the log-linear model
signed.txt      boosters whose directions are held (LightGBM's text); free.txt: those that may see everything
scores.json     of each score the weights, the calibration and the distribution
severity.json   what an accident costs
network.onnx, sequence.json   where a sequence network has entered the alarm score: itself, what it reads, and its say
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from features.enterprise.catalog import catalog
from features.errors import BadInput, NotFound
from training.bundle_files import document_of, read_checked, save_whole
from training.enterprise.linear import LogLinear
from training.enterprise.model import FREE, SIGNED, Models, Risk, ScoreFacts, Which
from training.enterprise.parts import EXPOSURE, RECORD, Floats, Matrix
from training.enterprise.sequence_model import NETWORK_FILE, SEQUENCE_FILE, SequenceLayout, sequence_model
from training.enterprise.sequence_words import UNHEARD
from training.enterprise.severity import LossArrays, Severity
from training.frequency import Boosted
from training.manifest import MANIFEST, canonical, seal_of, sha256
from training.report_words import Text
from training.trees import Forest

LINEAR_FILE, SCORES_FILE, SEVERITY_FILE = "linear.json", "scores.json", "severity.json"
TEXTS = {SIGNED: "signed.txt", FREE: "free.txt"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BoosterFacts(_Frozen):
    """Which features boosters see, by name in order, and the log of the mean rate that they start from."""

    names: tuple[str, ...]
    base: float


class ScoresDocument(_Frozen):
    scores: dict[str, ScoreFacts]
    boosters: dict[str, BoosterFacts]


class RiskGolden(_Frozen):
    """Rows with what the bundle said of them when it was made, by score; None = missing value."""

    x: tuple[tuple[float | None, ...], ...]
    expected: dict[str, tuple[tuple[float, ...], ...]]
    p: dict[str, tuple[tuple[float, ...], ...]]
    loss: tuple[float, ...]


class RiskManifest(_Frozen):
    """What a bundle of enterprise scores is. machine_bundles: whose machine scores its features were made of."""

    format: Literal[1] = 1
    entity: Literal["enterprise"] = "enterprise"
    bundle_id: str
    created_at: AwareDatetime
    catalog_hash: str
    feature_names: tuple[str, ...]
    snapshot_id: str
    lake_versions: dict[str, int]
    machine_bundles: tuple[str, ...] = ()
    train_from: AwareDatetime
    train_until: AwareDatetime
    params: dict[str, Any]
    metrics: dict[str, float] = {}
    golden: RiskGolden
    files: dict[str, str]
    seal: str = ""

    def sealed(self) -> "RiskManifest":
        return self.model_copy(update={"seal": seal_of(self.model_dump(mode="json"))})


@dataclass(frozen=True)
class RiskFacts:
    """Where the models come from: the part of the manifest that is not computed."""

    snapshot_id: str
    lake_versions: Mapping[str, int]
    machine_bundles: tuple[str, ...]
    train_from: datetime
    train_until: datetime
    created_at: datetime
    params: Mapping[str, Any]


class RiskBundle:
    """Both scores, ready to answer. Load one from disk, or assemble one after training."""

    def __init__(self, manifest: RiskManifest, models: Models, severity: Severity) -> None:
        self.manifest, self.models, self.severity = manifest, models, severity

    @classmethod
    def assemble(cls, models: Models, severity: Severity, facts: RiskFacts, golden_x: Matrix) -> "RiskBundle":
        """A bundle named by its content: last training day, and a hash of files and origin. golden_x: a few rows."""
        features = catalog()
        files = {name: sha256(data) for name, data in _files(models, severity, features.names).items()}
        origin = [files, features.hash, facts.snapshot_id, dict(facts.params)]
        said = {which: _risk(models, which, golden_x, features.names, ranges=False) for which in models.scores}
        manifest = RiskManifest(
            bundle_id=f"enterprise-{facts.train_until:%Y%m%d}-{sha256(canonical(origin))[:12]}",
            created_at=facts.created_at,
            catalog_hash=features.hash,
            feature_names=tuple(features.names),
            snapshot_id=facts.snapshot_id,
            lake_versions=dict(facts.lake_versions),
            machine_bundles=facts.machine_bundles,
            train_from=facts.train_from,
            train_until=facts.train_until,
            params=dict(facts.params),
            golden=RiskGolden(
                x=tuple(tuple(None if np.isnan(value) else float(value) for value in row) for row in golden_x),
                expected={which: _rows(one.expected) for which, one in said.items()},
                p={which: _rows(one.p) for which, one in said.items()},
                loss=tuple(severity.mean(golden_x, features.names).tolist()),
            ),
            files=files,
        )  # fmt: skip
        return cls(manifest.sealed(), models, severity)

    @classmethod
    def load(cls, path: Path) -> "RiskBundle":
        """Read and check a bundle directory.

        Raises NotFound if there is none; BadInput if a file is damaged, the format is not known, or the features that this
        installation computes are not those that it was trained on.
        """
        manifest = read_risk_manifest(path)
        held = {LINEAR_FILE, SCORES_FILE, SEVERITY_FILE, *TEXTS.values()}
        if set(manifest.files) not in (held, held | {NETWORK_FILE, SEQUENCE_FILE}):
            what = f"lists the files {', '.join(sorted(manifest.files))}"
            raise BadInput(what, where=str(path / MANIFEST), mend="copy the bundle again")
        data = {name: read_checked(path / name, sum_) for name, sum_ in manifest.files.items()}
        features = catalog()
        if features.hash != manifest.catalog_hash or tuple(features.names) != manifest.feature_names:
            what = f"trained on catalog {manifest.catalog_hash}, this installation computes {features.hash}"
            raise BadInput(what, where=str(path), mend="train again, or install the version that made the bundle")
        linear = document_of(LogLinear, data[LINEAR_FILE], path / LINEAR_FILE)
        document = document_of(ScoresDocument, data[SCORES_FILE], path / SCORES_FILE)
        severity = document_of(Severity, data[SEVERITY_FILE], path / SEVERITY_FILE)
        boosters = {}
        for name, file in TEXTS.items():
            facts, forest = document.boosters[name], Forest(data[file].decode(), where=str(path / file))
            if len(forest.feature_names) != len(facts.names):
                raise BadInput("boosters do not fit the manifest", where=str(path / file), mend="copy the bundle again")
            columns = tuple(linear.names.index(one) for one in facts.names)
            boosters[name] = (columns, Boosted(facts.base, forest))
        return cls(manifest, Models(linear, boosters, document.scores, sequence_model(data, path)), severity)

    def save(self, path: Path) -> Path:
        """Write the directory in one step. Raises Conflict if another bundle is there."""
        files = _files(self.models, self.severity, list(self.manifest.feature_names))
        files |= {MANIFEST: self.manifest.model_dump_json(indent=1).encode()}
        return save_whole(path, files, self.manifest.bundle_id, lambda there: read_risk_manifest(there).bundle_id)

    def with_metrics(self, metrics: Mapping[str, float]) -> "RiskBundle":
        """The same bundle, same id, with figures of its evaluation; those that are no number are left out."""
        told = {name: float(value) for name, value in metrics.items() if np.isfinite(value)}
        return RiskBundle(self.manifest.model_copy(update={"metrics": told}).sealed(), self.models, self.severity)

    @cached_property
    def names(self) -> list[str]:
        return list(self.manifest.feature_names)

    def risk(self, which: Which, x: Matrix, *, sequences: Matrix | None = None, ranges: bool = True, threads: int = 1) -> Risk:
        """A score of rows [n, features] float32 (NaN = missing). Raises BadInput on another number of columns.

        sequences: windows of the rows (`layout`), which the alarm score hears where a network has entered; `unheard` says where
        it goes without.
        """
        self._check(x)
        return _risk(self.models, which, x, self.names, sequences=sequences, ranges=ranges, threads=threads)

    def risks(self, x: Matrix, *, sequences: Matrix | None = None, ranges: bool = True, threads: int = 1) -> dict[Which, Risk]:
        """All scores of rows, as `risk` gives each, for less than the price of both."""
        self._check(x)
        wanted: tuple[Which, ...] = ("price", "alarm")
        return self.models.risks(wanted, x, *_sizes(x, self.names), sequences=sequences, ranges=ranges, threads=threads)

    @property
    def layout(self) -> SequenceLayout | None:
        """The earlier moments and their features that the alarm score hears; None where no network has entered."""
        return self.models.network.facts.layout if self.models.network else None

    def unheard(self, sequences: Matrix | None) -> Text | None:
        """What to say beside an alarm score that was asked without the windows that its network reads."""
        return UNHEARD if self.layout and sequences is None else None

    def loss(self, x: Matrix) -> Floats:
        """What one accident costs on average [n], in the enterprise's currency; times an expected number, the expected loss."""
        self._check(x)
        return self.severity.mean(x, self.names)

    def loss_law(self, x: Matrix) -> LossArrays:
        """What an accident costs and whom it harms, of rows [n, features]: the arguments of underwriting's law of losses.

        Raises BadInput in a bundle that was made before limits were reckoned with.
        """
        self._check(x)
        return self.severity.law(x, self.names)

    def count_size(self, which: Which, x: Matrix, expected: Floats) -> Floats:
        """Shape [n] of the negative binomial number of accidents of a year of which a score expects so many [n] of rows: its
        variance is expected + expected^2 / shape."""
        self._check(x)
        exposure, past = _sizes(x, self.names)
        return self.models.scores[which].unlike.size(expected / exposure * past)

    def contributions(self, which: Which, x: Matrix, *, horizon: int = 2, threads: int = 1) -> Floats:
        """[n, features]: what each feature adds to the log of the expected number within a horizon (0, 1, 2)."""
        self._check(x)
        return self.models.contributions(which, x, horizon=horizon, threads=threads)

    def check_golden(self) -> None:
        """Raises BadInput unless the bundle gives its own golden rows the answers of the day it was made."""
        golden = self.manifest.golden
        x = np.array([[np.nan if v is None else v for v in row] for row in golden.x], dtype=np.float32)
        x = x.reshape(len(golden.x), len(self.names))
        same = np.allclose(self.loss(x), golden.loss, rtol=1e-9)
        for which in self.models.scores:
            said = self.risk(which, x, ranges=False)  # type: ignore[arg-type]
            same &= np.allclose(said.expected, np.array(golden.expected[which]).reshape(-1, 3), rtol=1e-9)
            same &= np.allclose(said.p, np.array(golden.p[which]).reshape(-1, 3), rtol=1e-9)
        same &= self.models.network is None or self.models.network.as_ever
        if not same:
            raise BadInput(
                "golden rows are answered differently than when the bundle was made",
                where=self.manifest.bundle_id, mend="restore the bundle or the environment it was made in",
            )  # fmt: skip

    def _check(self, x: Matrix) -> None:
        if x.ndim != 2 or x.shape[1] != len(self.names):
            what = f"feature matrix of shape {x.shape}, expected [n, {len(self.names)}]"
            raise BadInput(what, where=self.manifest.bundle_id, mend="compute the features with this bundle's catalog")


def read_risk_manifest(path: Path) -> RiskManifest:
    """Read and check a manifest. Raises NotFound without one, BadInput on damage or another format."""
    where = str(path / MANIFEST)
    try:
        document = json.loads((path / MANIFEST).read_bytes())
        manifest = RiskManifest.model_validate(document)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("no bundle there", where=str(path), mend="train and promote one") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{field}: {first['msg']}", where=where, mend="name a bundle of enterprise scores") from None
    except ValueError:
        raise BadInput("manifest is not readable as JSON", where=where, mend="copy the bundle again") from None
    if manifest.seal != seal_of(document):
        raise BadInput("manifest was changed after it was sealed", where=where, mend="copy the bundle again")
    return manifest


def _risk(
    models: Models, which: str, x: Matrix, names: list[str], *, sequences: Matrix | None = None, ranges: bool, threads: int = 1
) -> Risk:
    return models.risk(which, x, *_sizes(x, names), sequences=sequences, ranges=ranges, threads=threads)  # type: ignore[arg-type]


def _sizes(x: Matrix, names: list[str]) -> tuple[Floats, Floats]:
    """Announced worker-years per year [n], and those of the last three years [n]."""
    exposure = x[:, names.index(EXPOSURE)].astype(np.float64)
    return exposure, np.nan_to_num(x[:, names.index(RECORD)].astype(np.float64))


def _files(models: Models, severity: Severity, names: list[str]) -> dict[str, bytes]:
    seen = {name: tuple(models.linear.names[place] for place in columns) for name, (columns, _) in models.boosters.items()}
    facts = {name: BoosterFacts(names=seen[name], base=one.base) for name, (_, one) in models.boosters.items()}
    document = ScoresDocument(scores=dict(models.scores), boosters=facts)
    return {
        LINEAR_FILE: models.linear.model_dump_json(indent=1).encode(),
        SCORES_FILE: document.model_dump_json(indent=1).encode(),
        SEVERITY_FILE: severity.model_dump_json(indent=1).encode(),
        **{TEXTS[name]: one.forest.text.encode() for name, (_, one) in models.boosters.items()},
        **(models.network.files if models.network else {}),
    }


def _rows(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in values)
