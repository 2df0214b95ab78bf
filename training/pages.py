"""Pages for people: a template and what it shows -> one self-contained HTML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.documents import write_text

_SHARED = Path(__file__).parent  # of templates that others include, and the style sheet


def style() -> str:
    """The style sheet of all pages."""
    return (_SHARED / "report.css").read_text(encoding="utf-8")


def render(folder: Path, template: str, context: Mapping[str, Any]) -> str:
    """HTML of a template in a folder. Whatever it shows is escaped; what it is not given is an error; `style` it is given."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, _SHARED]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(**{"style": style(), **context})


def write(path: Path, folder: Path, template: str, context: Mapping[str, Any]) -> Path:
    """Write a page, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, render(folder, template, context))
