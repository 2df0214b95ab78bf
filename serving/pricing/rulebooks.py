"""The rulebooks of a home beside those that come with the program: HOME/rulebooks/ID.toml stands before a shipped one."""

from pathlib import Path

from features.errors import BadInput
from serving.underwriting import rulebook as rulebooks
from serving.underwriting.rulebook import Rulebook


def rulebook_named(home: Path, name: str, *, paths: bool = True) -> Rulebook:
    """A rulebook from a .toml path (where `paths` may be named), from `home`/rulebooks by its id, or a shipped one.

    Raises NotFound, or BadInput at the line of its first fault.
    """
    if not paths and not _plain(name):
        raise BadInput(f"{name!r} is no rulebook's id", where="rulebook", mend="name it by its id")
    path = path_named(home, name)
    found = rulebooks.load(path if path.parent == home / "rulebooks" else name)
    if path.parent == home / "rulebooks" and path.stem == name and found.id != name:
        raise BadInput(f"it says that it is {found.id}", where=str(path), mend=f"call the file {found.id}.toml")
    return found


def path_named(home: Path, name: str) -> Path:
    """The file of a rulebook: as `rulebook_named` finds it. Raises NotFound."""
    own = home / "rulebooks" / f"{name}.toml"
    return own if _plain(name) and own.is_file() else rulebooks.path_of(name)


def of_home(home: Path) -> tuple[Rulebook, ...]:
    """The home's own rulebooks, by name. Raises BadInput at the line of the first fault of any."""
    return tuple(rulebook_named(home, path.stem) for path in sorted((home / "rulebooks").glob("*.toml")))


def _plain(name: str) -> bool:
    return name.replace("-", "").isalnum()
