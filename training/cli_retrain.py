"""The verbs of retraining: promote."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import BadInput
from features.settings import settings
from training.cli import Json, Kind, announce

if TYPE_CHECKING:
    from training.promote import Decision

promote = typer.Typer(help="Make a bundle the champion that serving reads.", no_args_is_help=True, add_completion=False)

REFUSED = 1


@promote.callback()
def _promote() -> None:
    """Judge a bundle against the champion and make it the one that serving reads, for: machine."""


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
    typer.echo(json.dumps(decision.model_dump(mode="json"), ensure_ascii=False) if json_ else _decision_text(decision))
    if decision.outcome == "refused":
        raise typer.Exit(REFUSED)


def _decision_text(decision: "Decision") -> str:
    """The outcome, then a line for each gate, the failed ones marked."""
    before = decision.before or "none"
    head = {
        "promoted": f"promoted: {decision.bundle} is champion of {decision.kind}; before: {before}",
        "forced": f"forced ({decision.force}): {decision.bundle} is champion of {decision.kind}; before: {before}",
        "refused": f"refused: {decision.bundle}; the champion of {decision.kind} stays: {before}",
        "unchanged": f"{decision.bundle} is the champion of {decision.kind} already",
        "rolled back": f"rolled back: {decision.bundle} is champion of {decision.kind} again; before: {before}",
    }[decision.outcome]
    lines = [head]
    lines += [f"  {'passed' if one.passed else 'FAILED'}  {one.gate}: {one.en}" for one in decision.verdicts]
    lines += [f"  note    {note['en']}" for note in decision.notes]
    if decision.judged:
        judged = decision.judged
        days = f"{judged['first'][:10]} to {judged['last'][:10]}"
        lines.append(f"  judged on {judged['rows']:,} observations of {days}, {judged['failures']:,} failures")
    return "\n".join(lines)
