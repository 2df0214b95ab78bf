"""The verbs of retraining: backtest, promote."""

import json
from datetime import UTC
from typing import TYPE_CHECKING, Annotated

import typer

from features.cli import Moment
from features.errors import BadInput
from features.settings import settings
from training.cli import Json, Kind, announce, terminal_width

if TYPE_CHECKING:
    from training.decisions import Decision

backtest = typer.Typer(help="Retrain at many cut-offs of the past.", no_args_is_help=True, add_completion=False)
promote = typer.Typer(help="Make a bundle the champion that serving reads.", no_args_is_help=True, add_completion=False)

REFUSED = 1


@backtest.callback()
def _backtest() -> None:
    """Retrain at many cut-offs of the past, with what was known then, and judge what followed, of: machine, enterprise."""


@promote.callback()
def _promote() -> None:
    """Judge a bundle against the champion and make it the one that serving reads, for: machine, enterprise."""


@backtest.command("machine")
def backtest_machine(
    kind: Kind,
    snapshot: Annotated[str, typer.Option(help="Snapshot id, or the latest of the kind.")] = "latest",
    config: Annotated[str, typer.Option(help="Experiment: a TOML file or the name of a shipped one.")] = "machine",
    cutoffs: Annotated[int | None, typer.Option(help="So many cut-offs over the last half of the history (6).")] = None,
    every: Annotated[float | None, typer.Option(help="Days from one cut-off to the next, from --first on.")] = None,
    first: Moment = None,
    keep_scores: Annotated[
        bool, typer.Option("--keep-scores", help="Keep what was said in the lake, as reconstructed scores of machines.")
    ] = False,
    json_: Json = False,
) -> None:
    """Retrain at each cut-off with what was known then; judge the periods that followed, together and one by one."""
    from training import tables
    from training.backtest_runs import When, run_backtest
    from training.config import load_config

    begin = first if first is None or first.tzinfo else first.replace(tzinfo=UTC)
    when = When(cutoffs, every, begin)
    made = run_backtest(
        settings(), kind, load_config(config), when, snapshot_id=snapshot, keep_scores=keep_scores, progress=announce()
    )
    if json_:
        typer.echo(json.dumps(tables.plain(made.document()), ensure_ascii=False))
        return
    typer.echo(tables.text_table(made.table(), terminal_width()))
    if made.found.of_champion is not None:
        typer.echo("* on the rows that are later than the champion was fitted on")
    typer.echo("")
    for sentence in made.verdict():
        typer.echo(f"- {sentence.en}")
    typer.echo(f"\nreport   {made.report}")


@backtest.command("enterprise")
def backtest_enterprise(
    snapshot: Annotated[str, typer.Option(help="Snapshot id, or the latest of enterprises.")] = "latest",
    config: Annotated[str, typer.Option(help="Experiment: a TOML file or the name of a shipped one.")] = "enterprise",
    cutoffs: Annotated[int | None, typer.Option(help="So many cut-offs over the last half of the history (6).")] = None,
    every: Annotated[float | None, typer.Option(help="Days from one cut-off to the next, from --first on.")] = None,
    first: Moment = None,
    json_: Json = False,
) -> None:
    """Learn both scores at each cut-off with what was known then; judge them beside their rivals on what followed."""
    from training import tables
    from training.backtest_runs import When
    from training.enterprise.backtest_runs import run_backtest
    from training.enterprise.config import load_enterprise

    begin = first if first is None or first.tzinfo else first.replace(tzinfo=UTC)
    when = When(cutoffs, every, begin)
    made = run_backtest(settings(), load_enterprise(config), when, snapshot_id=snapshot, progress=announce())
    if json_:
        typer.echo(json.dumps(tables.plain(made.document()), ensure_ascii=False))
        return
    typer.echo(tables.text_table(made.table(), terminal_width()))
    typer.echo("")
    for sentence in made.verdict():
        typer.echo(f"- {sentence.en}")
    typer.echo(f"\nreport   {made.report}")


@promote.command("machine")
def promote_machine(
    kind: Kind,
    bundle: Annotated[str | None, typer.Option(help="Bundle id; by default the newest of the kind.")] = None,
    gates: Annotated[str | None, typer.Option(help="TOML file of bounds; by default training/gates.toml.")] = None,
    snapshot: Annotated[str, typer.Option(help="Snapshot whose later rows judge, or the latest of the kind.")] = "latest",
    force: Annotated[str | None, typer.Option(help="Promote whatever the gates say, for this reason.")] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Return to the champion before.")] = False,
    json_: Json = False,
) -> None:
    """Judge a bundle on rows later than it and the champion were fitted on; promote it, or refuse (exit 1) with the reasons."""
    from training import promote as deciding
    from training.gates import load_gates

    if rollback:
        if bundle or gates or force or snapshot != "latest":
            raise BadInput("--rollback takes no other option than --kind", where="promote", mend="leave the others out")
        decision = deciding.rollback(settings(), kind)
    else:
        decision = deciding.promote(
            settings(), kind, bundle, bounds=load_gates(gates), snapshot_id=snapshot, force=force, progress=announce()
        )
    _told(decision, json_)


@promote.command("enterprise")
def promote_enterprise(
    bundle: Annotated[str | None, typer.Option(help="Bundle id; by default the newest of enterprise scores.")] = None,
    gates: Annotated[str | None, typer.Option(help="TOML file of bounds; by default training/enterprise/gates.toml.")] = None,
    snapshot: Annotated[str, typer.Option(help="Snapshot whose later rows judge, or the latest of enterprises.")] = "latest",
    force: Annotated[str | None, typer.Option(help="Promote whatever the gates say, for this reason.")] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Return to the champion before.")] = False,
    json_: Json = False,
) -> None:
    """Judge both scores of enterprises on rows later than they were fitted on; promote them, or refuse (exit 1)."""
    from features.enterprise.catalog import EVERY
    from training import promote as deciding
    from training.enterprise.gates import load_gates
    from training.enterprise.promote import promote as judged

    if rollback:
        if bundle or gates or force or snapshot != "latest":
            raise BadInput("--rollback takes no other option", where="promote", mend="leave the others out")
        decision = deciding.rollback(settings(), EVERY.name)
    else:
        decision = judged(settings(), bundle, bounds=load_gates(gates), snapshot_id=snapshot, force=force, progress=announce())
    _told(decision, json_)


def _told(decision: "Decision", json_: bool) -> None:
    """Print a decision; one that refuses ends with exit code 1."""
    typer.echo(json.dumps(decision.model_dump(mode="json"), ensure_ascii=False) if json_ else _decision_text(decision))
    if decision.outcome == "refused":
        raise typer.Exit(REFUSED)


def _decision_text(decision: "Decision") -> str:
    """The outcome, then a line for each gate, the failed ones marked."""
    from features.enterprise.catalog import EVERY
    from training.decisions import decisions

    before = decision.before or "none"
    head = {
        "promoted": f"promoted: {decision.bundle} is champion of {decision.kind}; before: {before}",
        "forced": f"forced ({decision.force}): {decision.bundle} is champion of {decision.kind}; before: {before}",
        "refused": f"refused: {decision.bundle}; the champion of {decision.kind} stays: {before}",
        "unchanged": f"{decision.bundle} is the champion of {decision.kind} already",
        "rolled back": f"rolled back: {decision.bundle} is champion of {decision.kind} again; before: {before}",
    }[decision.outcome]
    lines = [head]
    for one in decision.verdicts:
        lines.append(f"  {'passed' if one.passed else 'FAILED'}  {one.gate}: {one.en}")
        if decision.kind == EVERY.name:
            lines.append(f"          {one.zh}")
    lines += [f"  note    {note['en']}" for note in decision.notes]
    if decision.judged:
        judged = decision.judged
        days = f"{judged['first'][:10]} to {judged['last'][:10]}"
        came = "failures" if "failures" in judged else "accidents"
        lines.append(f"  judged on {judged['rows']:,} observations of {days}, {judged[came]:,} {came}")
    if decision.outcome != "unchanged":
        lines.append(f"decision {decisions(settings().home, decision.kind) / decision.id}.json")
    return "\n".join(lines)
