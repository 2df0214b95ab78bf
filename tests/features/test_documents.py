"""What programs write is whole, also where several write the same file at once."""

import json
import os
from pathlib import Path

import pytest

from features.documents import cell, write_json, write_text


def test_two_processes_writing_the_same_file_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole, others = tmp_path / "a.json", Path.replace, [{"from": "the other"}]

    def replace(draft: Path, target: Path) -> Path:
        if others:  # between the write and the rename of the one, all of the other
            monkeypatch.setattr(os, "getpid", lambda: 2)
            write_json(path, others.pop())
        return whole(draft, target)

    monkeypatch.setattr(Path, "replace", replace)
    write_json(path, {"from": "the one"})
    assert json.loads(path.read_text()) == {"from": "the one"} and [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    assert write_text(tmp_path / "报告.html", "故障\n") == tmp_path / "报告.html"
    assert (tmp_path / "报告.html").read_bytes() == "故障\n".encode()


@pytest.mark.parametrize(
    ("value", "told"), [("=1+1", "'=1+1"), ("@x", "'@x"), ("-3", "'-3"), ("policy 1", "policy 1"), (-3, -3)]
)
def test_a_cell_is_no_formula(value: object, told: object) -> None:
    assert cell(value) == told
