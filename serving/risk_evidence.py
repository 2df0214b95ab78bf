"""One enterprise of the lake, as it was known at a moment: its features from the lake's versions, to the bit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from features.clock import known_at, micros
from features.enterprise import build
from features.enterprise.catalog import Catalog
from features.enterprise.compute import compute
from features.enterprise.consent import consented
from features.enterprise.history import Published
from features.enterprise.kernel import DAY
from features.enterprise.machine_risk import HOLDS_DAYS, upstream
from features.enterprise.published import INDUSTRY_RATES
from features.enterprise.schema import ENTERPRISES
from features.errors import NotFound
from features.lake import Lake
from features.schema import ENTERPRISE, MACHINE, MACHINE_SCORES, MACHINES
from features.view import View
from serving.errors import Withheld
from serving.evidence import lake_evidence
from serving.risk import Vectors

# The tables that a score of an enterprise looks at.
READ = (*build.USED, MACHINES.name, MACHINE_SCORES.name)
# Rates of industries are published of each month: older ones stand where nobody published since.
_RATES_DAYS = 62.0


@dataclass(frozen=True)
class Knowledge:
    """The lake at fixed versions, and what all enterprises share of it."""

    lake_id: str
    view: View
    shared: Mapping[str, Published]
    until: datetime

    @classmethod
    def of(cls, lake: Lake, versions: Mapping[str, int] | None = None) -> "Knowledge":
        view = lake.at(versions)
        return cls(lake.id, view, build.groups_of(view), build.known_until(view))

    @property
    def versions(self) -> dict[str, int]:
        """Of the tables that matter."""
        return {name: version for name, version in self.view.versions.items() if name in READ}

    @property
    def evidence(self) -> bytes:
        """What a score leaves behind so that its features can be made again."""
        return lake_evidence(self.lake_id, self.versions)

    def versions_of(self, enterprise_id: str, as_of: datetime) -> pa.Table:
        """The versions of an enterprise that were known, the latest last. Raises NotFound where there is none."""
        where = f"enterprise {enterprise_id}"
        rows = self.view.read(ENTERPRISES.name, machine_ids=[enterprise_id])
        if not rows.num_rows:
            raise NotFound("not in the lake", where=where, mend="import its row in the enterprises table first")
        known = known_at(rows, ENTERPRISES, as_of, ordered=True)
        if not known.num_rows:
            what, mend = f"was not known at {as_of.isoformat()}", "choose a later moment or import its enterprises row"
            raise NotFound(what, where=where, mend=mend)
        return known

    def features(self, wanted: Catalog, enterprise_id: str, as_of: datetime, *, consent: bool = True) -> Vectors:
        """The features float32[features] of one enterprise.

        Raises NotFound if the lake does not know it, or did not by `as_of`; Withheld, unless `consent` is off, if it had not
        consented to being scored.
        """
        self.versions_of(enterprise_id, as_of)
        history = build.history_of(self.view, [enterprise_id], self.shared)
        if consent:
            said = self.view.read("consents", machine_ids=[enterprise_id])
            if not consented(said, [enterprise_id], as_of, "score")[0]:
                what = f"has not consented to being scored at {as_of.isoformat()}"
                mend = "ask for its consent (table consents, purpose score)"
                raise Withheld(what, where=f"enterprise {enterprise_id}", mend=mend)
        moment = np.array([micros(as_of)], dtype=np.int64)
        return np.ascontiguousarray(compute(wanted, history, np.zeros(1, dtype=np.int64), moment)[0])

    def upstream(self, as_of: datetime, enterprise_id: str | None = None) -> dict[str, float]:
        """Share of machines, of one enterprise or of all, by the bundle that scored them last."""
        machines = self.view.read(MACHINES.name, columns=[MACHINE, ENTERPRISE])
        mine = machines.filter(pc.is_valid(machines.column(ENTERPRISE)))
        if enterprise_id is not None:
            mine = mine.filter(pc.equal(mine.column(ENTERPRISE), enterprise_id))
        ids = pc.unique(mine.column(MACHINE)).to_pylist()
        if not ids:
            return {}
        counted = (micros(as_of) - round(HOLDS_DAYS * DAY), micros(as_of))
        return upstream(self.view.read(MACHINE_SCORES.name, machine_ids=ids, times=counted), as_of)

    def notes(self, as_of: datetime) -> tuple[str, ...]:
        """Whether the rates of industries are of these days."""
        rates = self.shared[INDUSTRY_RATES.name].series
        known = rates.event[rates.known_from <= micros(as_of)]
        if not len(known):
            return ("no rates of industries published yet; `forewarn score enterprise` publishes them",)
        age = (micros(as_of) - int(known.max())) / DAY
        if age > _RATES_DAYS:
            return (f"rates of industries are {age:.0f} d old; `forewarn score enterprise` renews them",)
        return ()


def knowledge_of(evidence: bytes, lake: Lake, score_id: str) -> Knowledge:
    """The lake as a score saw it. Raises NotFound if that was another lake."""
    document: dict[str, Any] = orjson.loads(evidence)
    if document.get("lake") != lake.id:
        raise NotFound("it was read from another lake", where=f"score {score_id}", mend="restore that lake")
    return Knowledge.of(lake, document["lake_versions"])
