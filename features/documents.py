"""Documents: what people write becomes frozen models, every mistake one line; what programs write is whole or not there."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from features.errors import BadInput

Model = TypeVar("Model", bound=BaseModel)
_WORDS = {"missing": "missing", "extra_forbidden": "unknown key", "timezone_aware": "a time without zone"}


def read_toml(path: Path, mend: str) -> dict[str, Any]:
    """A TOML file as a table. Raises BadInput; `mend` is what to do where there is no such file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput("no such file", where=str(path), mend=mend) from None
    except OSError as error:
        raise BadInput(f"not readable: {error.strerror}", where=str(path), mend=mend) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not readable as TOML: {error}", where=str(path), mend="correct the file") from None


def read_json(path: Path, mend: str) -> dict[str, Any]:
    """A JSON document that a program wrote. Raises BadInput if it is damaged."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise BadInput("not readable", where=str(path), mend=mend) from None
    return document


def write_json(path: Path, document: Any) -> None:
    """Write JSON so that a reader, or a crash, sees the old file or the new one whole."""
    write_text(path, json.dumps(document, ensure_ascii=False, indent=1))


def write_text(path: Path, text: str) -> Path:
    """The same of any text. Processes may write the same file at once: each has a draft of its own, and one of them stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return draft.replace(path)
    except OSError:  # a full disk, or a folder of that name
        draft.unlink(missing_ok=True)
        raise


def cell(value: Any) -> Any:
    """A value for a CSV that people open: a text that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def must_be_writable(path: Path) -> None:
    """Raises BadInput where no page can be written: before something is stored whose page would then fail."""
    parent = next(one for one in path.absolute().parents if one.exists())
    if path.is_dir() or not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BadInput("no page can be written there", where=str(path), mend="name a file in a folder that may be written to")


def validated(model: type[Model], document: Any, where: str, mend: str) -> Model:
    """A table as a model. Raises BadInput naming the field."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        field, what = complaint(error)
        raise BadInput(f"{field}: {what}" if field else what, where=where, mend=mend) from None


def complaint(error: ValidationError) -> tuple[str, str]:
    """The field (dotted; empty for the whole document) and the words of pydantic's first complaint."""
    first = error.errors(include_url=False, include_input=False)[0]
    # Of a union pydantic adds the branch that it tried, which is no part of the document.
    place = [str(part) for part in first["loc"] if part not in ("str", "int", "float", "bool") and "[" not in str(part)]
    what = _WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    return ".".join(place), what[:1].lower() + what[1:]
