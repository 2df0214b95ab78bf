"""The verbs of serving: score, explain, serve."""

import json
import os
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import BadInput, NotFound
from features.settings import settings

score = typer.Typer(help="Score all machines or enterprises from the lake.", add_completion=False, no_args_is_help=True)
explain = typer.Typer(help="Rebuild a stored score from its evidence.", add_completion=False)
serve = typer.Typer(help="Start the scoring service.", add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@score.callback()
def _entities() -> None:
    """Score all entities of a sort from the lake: machine, enterprise."""


@score.command()
def machine(
    kind: Annotated[str | None, typer.Option(help="Only this machine kind; default: every kind with a champion.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Moment of the scores, with zone; default: the lake's end.")] = None,
    snapshot: Annotated[
        str | None, typer.Option(help="Score a ready snapshot (its id, or latest) and compute nothing.")
    ] = None,
    top: Annotated[int, typer.Option(min=0, max=1000, help="How many of the riskiest to print, with reasons.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Score every machine at one moment; store the scores; print the riskiest with reasons."""
    from features import reference
    from features.lake import Lake
    from features.snapshots import open_snapshot
    from serving import batch
    from serving.champion import kinds_served, load_champion
    from serving.ready import score_snapshot
    from serving.store import opened

    home = settings().home
    at = moment(as_of) if as_of is not None else None
    lake = Lake.open(settings().lake)
    ready = open_snapshot(home, snapshot, kind) if snapshot is not None else None
    kinds = [ready.kind.name] if ready is not None else [kind] if kind is not None else kinds_served(home)
    if not kinds:
        raise NotFound("no machine kind has a champion", where=str(home / "champion"), mend="train and promote a bundle")
    chosen = [load_champion(home, name) for name in kinds]
    results: list[dict[str, Any]] = []
    with opened(settings().store) as store:
        for champion in chosen:
            with progress_bar(f"scoring {champion.kind.name}") as progress:
                how: dict[str, Any] = {"as_of": at, "threads": settings().threads, "progress": progress}
                if ready is None:
                    reference.publish(lake, champion.kind)
                    scored = batch.score_machines(lake, champion, **how)
                else:
                    scored = score_snapshot(lake, champion, ready, **how)
            batch.keep(scored, store, lake)
            results.append(
                {
                    "kind": champion.kind.name,
                    "as_of": scored.as_of.isoformat(),
                    "bundle": champion.bundle_id,
                    "batch": scored.batch_id,
                    "snapshot": scored.snapshot_id,
                    "scored": len(scored),
                    "silent": len(scored.silent),
                    "notes": list(scored.notes),
                    "riskiest": scored.top(top),
                }
            )
    typer.echo(json.dumps(results, ensure_ascii=False) if as_json else "\n\n".join(_scores_text(item) for item in results))


def _scores_text(result: dict[str, Any]) -> str:
    silent = f", {result['silent']} silent for the longest window left out" if result["silent"] else ""
    lines = [f"{result['scored']} machines of kind {result['kind']} at {result['as_of']} by {result['bundle']}{silent}"]
    lines += [f"     {note}" for note in result["notes"]]
    for place, row in enumerate(result["riskiest"], start=1):
        risk = f"72 h {row['p72']:.2%} (90 % range {row['low72']:.2%} to {row['high72']:.2%})"
        sooner = f"48 h {row['p48']:.2%}, 24 h {row['p24']:.2%}"
        lines.append(f"{place:3d}. {row['machine_id']}: {risk}, {sooner}  {row['score_id']}")
        for reason in row["reasons"]:
            lines += [f"       {reason['text_en']}", f"       {reason['text_zh']}"]
    return "\n".join(lines)


@score.command()
def enterprise(
    as_of: Annotated[str | None, typer.Option(help="Moment of the scores, with zone; default: the lake's end.")] = None,
    top: Annotated[int, typer.Option(min=0, max=1000, help="How many of the riskiest to print.")] = 10,
    reasons: Annotated[bool, typer.Option(help="Whether to say why of those that are printed.")] = True,
    as_json: AsJson = False,
) -> None:
    """Score every enterprise that has consented to it at one moment; store the scores; print the riskiest with reasons."""
    from features.enterprise.publish import publish
    from features.lake import Lake
    from serving import risk_batch
    from serving.risk_champion import load_risk_champion
    from serving.risk_words import list_text
    from serving.store import opened

    at = moment(as_of) if as_of is not None else None
    lake, champion = Lake.open(settings().lake), load_risk_champion(settings().home)
    with opened(settings().store) as store:
        publish(lake)
        with progress_bar("scoring enterprises") as progress:
            scored = risk_batch.score_enterprises(lake, champion, as_of=at, threads=settings().threads, progress=progress)
        risk_batch.keep(scored, store)
    result = {
        "as_of": scored.as_of.isoformat(),
        "bundle": champion.bundle_id,
        "batch": scored.batch_id,
        "scored": len(scored),
        "notes": list(scored.notes),
        "riskiest": scored.top(top, 3 if reasons else 0),
    }
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else list_text(result))


@explain.command()
def _explain(
    score_id: Annotated[str, typer.Argument(help="The id that a score was answered or printed with.")],
    reasons: Annotated[int, typer.Option(min=0, max=100, help="How many reasons.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Rebuild a score from its evidence, compare to the bit, and say why it is what it is."""
    from serving.explain import explain as rebuild
    from serving.risk_explain import explain_risk
    from serving.risk_words import explanation_text
    from serving.store import opened

    with opened(settings().store) as store:
        stored = store.get(score_id)
        of_enterprise = stored.entity == "enterprise"
        found = (
            explain_risk(settings().home, stored, reasons)
            if of_enterprise
            else rebuild(settings().home, store, score_id, reasons)
        )
    document = found.document()
    text = explanation_text(document) if of_enterprise else _explanation_text(document)
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else text)


def _explanation_text(document: Mapping[str, Any]) -> str:
    lines = [f"{document['score_id']}: machine {document['machine_id']} at {document['as_of']} by {document['bundle']}"]
    for hours, p, low, high in zip(*(document[key] for key in ("horizon_hours", "p", "low", "high")), strict=True):
        lines.append(f"  {hours} h: {p:.4%} (90 % range {low:.4%} to {high:.4%})")
    lines += [f"  {note}" for note in document["notes"]]
    for reason in document["reasons"]:
        lines += [f"  {reason['text_en']}", f"  {reason['text_zh']}"]
        lines += [f"      {stretch[text]}" for stretch in reason["rows"] for text in ("text_en", "text_zh")]
    if document["later"] is not None:
        lines += [f"  {document['later'][text]}" for text in ("text_en", "text_zh")]
        lines += [f"      {row}" for row in document["later"]["text_rows"]]
    return "\n".join([*lines, document["verdict"]])


@serve.command()
def _serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default FOREWARN_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; default FOREWARN_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes; default FOREWARN_WORKERS.")] = None,
    as_json: AsJson = False,
) -> None:
    """Serve scores over HTTP until interrupted."""
    from serving.champion import kinds_with_champion
    from serving.risk_champion import has_champion
    from serving.store import opened

    config = settings()
    host, port, workers = host or config.host, port or config.port, workers or config.workers
    if not kinds_with_champion(config.home) and not has_champion(config.home):
        raise NotFound("no champion to serve", where=str(config.home / "champion"), mend="train and promote a bundle first")
    _free(host, port)
    with opened(config.store):  # migrated here, where a mistake is one line and not a server that does not come up
        pass
    url = f"http://{host}:{port}"
    note = f"serving on {url}; the API is described at {url}/docs.json; Ctrl+C stops it"
    typer.echo(json.dumps({"url": url, "workers": workers, "pid": os.getpid()}) if as_json else note)
    sys.stdout.flush()
    package = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Forewarn", "--working-dir", str(package)]
    # The launcher takes this process's place, so that a signal to the pid that a user sees stops everything.
    os.execve(sys.executable, [*command, "--host", host, "--port", str(port)], environment(config.home, workers))


def environment(home: Path, workers: int) -> dict[str, str]:
    """BentoML's settings: its own state under our home, no telemetry, this many processes."""
    own = {
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_CONFIG_OPTIONS": f"services.forewarn.workers={workers}",
        "FOREWARN_HOME": str(home.resolve()),
    }
    return {**os.environ, **own}


def _free(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        mend = "choose others with --host and --port"
        raise BadInput(f"cannot listen: {reason}", where=f"{host}:{port}", mend=mend) from None


def moment(text: str) -> datetime:
    """A time from the command line. Raises BadInput, also for one without zone."""
    from serving.contracts import in_utc

    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a time", where="--as-of", mend="write it as 2026-01-31T08:00:00Z") from None
    if parsed.tzinfo is None:
        raise BadInput("time without zone", where="--as-of", mend="write it as 2026-01-31T08:00:00Z")
    try:
        parsed = in_utc(parsed)
    except ValueError as error:
        raise BadInput(str(error), where="--as-of", mend="name a moment that has come") from None
    if parsed > datetime.now(UTC):
        raise BadInput("lies in the future", where="--as-of", mend="name a moment that has come")
    return parsed


class progress_bar:
    """A progress bar on stderr: (done, of) -> None. `say` changes its words."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __enter__(self) -> Any:
        from rich.console import Console
        from rich.progress import Progress

        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._progress.start()
        self._task = self._progress.add_task(self._words)
        return lambda done, of: self._progress.update(self._task, completed=done, total=of)

    def say(self, words: str) -> None:
        """Show these words beside the bar."""
        self._progress.update(self._task, description=f"{self._words}: {words}")

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
