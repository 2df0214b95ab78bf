"""The form of a mapping file (TOML): which file is which table, and which column is which. An example stands in mapped.py."""

from pathlib import Path, PurePosixPath
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from features import documents
from features.sources.lines import Form

LONGEST_DELAY_HOURS = 1_000_000
FROZEN = ConfigDict(frozen=True, extra="forbid")
Constant = str | bool | float


class Conversion(BaseModel):
    """value * scale + offset, from the file's unit to the contract's."""

    model_config = FROZEN

    scale: float = Field(default=1.0, allow_inf_nan=False)
    offset: float = Field(default=0.0, allow_inf_nan=False)


class TableMapping(BaseModel):
    """One table: the files that hold it (a pattern inside the folder), and the source column of each contract column.

    codes: by contract column, what the files' own codes are called here; others stay as they are.
    """

    model_config = FROZEN

    table: str
    files: str = Field(min_length=1)
    columns: dict[str, str]
    constants: dict[str, Constant] = {}
    convert: dict[str, Conversion] = {}
    codes: dict[str, dict[str, str]] = {}
    timezone: str | None = None
    delay_hours: float | None = Field(default=None, ge=0, le=LONGEST_DELAY_HOURS)
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"

    @property
    def form(self) -> Form:
        return Form(self.delimiter, self.encoding)

    @field_validator("files")
    @classmethod
    def _inside(cls, pattern: str) -> str:
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or "\\" in pattern:
            raise ValueError("the pattern leaves the folder that is imported")
        if any("**" in part and part != "**" for part in PurePosixPath(pattern).parts):
            raise ValueError("'**' stands for folders and takes a part of the path for itself")
        return pattern

    @field_validator("delimiter")
    @classmethod
    def _ascii(cls, delimiter: str) -> str:
        if not delimiter.isascii() or delimiter in '\r\n"':
            raise ValueError("not one of the ASCII characters that can part fields")
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _of_text(cls, encoding: str) -> str:
        try:
            # Lines and fields are found in the bytes before they are decoded.
            if "\n,".encode(encoding).endswith(b"\n,"):
                return encoding
        except (LookupError, ValueError):
            pass
        raise ValueError(f"no encoding '{encoding}' that holds ASCII as it is; save the files as UTF-8, or as GB 18030")

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        for name in self.constants:
            if name in self.columns:
                raise ValueError(f"'{name}' is both a column and a constant")
        return self


class Document(BaseModel):
    """A whole mapping file. kind: left out where it has no rows of machines."""

    model_config = FROZEN

    name: str = "mapped"
    timezone: str | None = None
    kind: str | dict[str, Any] | None = None
    tables: tuple[TableMapping, ...] = Field(min_length=1)


def load(path: Path) -> Document:
    """Read a mapping. Raises BadInput naming the field."""
    document = documents.read_toml(path, "name an existing mapping")
    return documents.validated(Document, document, str(path), "correct the mapping")
