"""Files as chunks whose rows can be named: whatever the blocks, and however a process ends."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import BadInput
from features.sources import files, lines
from features.sources.lines import Form

TEXT = (
    "\n"
    'id,note,x\r\n'
    "1,plain,1\n"
    '2,"two\nlines, and a ""word""",2\n'
    "\n"
    "3,too,many,3\n"
    '4,"never closed,4\n'
    '5,"closed",5\n'
    '6,"three\n\nlines",6\n'
    "7,müll 部件,7\n"
    "8,8"
)  # fmt: skip
NAMES = ["id", "note", "x"]


def read(path: Path, form: Form) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    rows: list[tuple[object, ...]] = []
    refused: list[tuple[object, ...]] = []
    for chunk in files.chunks(path, NAMES, form=form):
        rows += zip(chunk.rows.tolist(), *chunk.table.to_pydict().values(), strict=True)
        refused += chunk.refused
    return rows, refused


@pytest.mark.parametrize("block", [1, 7, 40, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_the_size_of_a_block_changes_nothing(
    tmp_path: Path, block: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_BLOCK", block)
    path = tmp_path / "some.csv"
    path.write_bytes(TEXT.replace("ü", "u").encode(encoding))
    rows, refused = read(path, Form(encoding=encoding))
    assert rows == [
        (1, "1", "plain", "1"),
        (2, "2", 'two\nlines, and a "word"', "2"),
        (5, "5", "closed", "5"),
        (6, "6", "three\n\nlines", "6"),
        (7, "7", "mull 部件", "7"),
    ]
    assert refused == [
        (3, "", "broken line: 4 fields where the header has 3", "3,too,many,3"),
        (4, "", "broken line: a quote is not closed", '4,"never closed,4'),
        (8, "", "broken line: 2 fields where the header has 3", "8,8"),
    ]


LINES = [
    "a,1,\n",
    '"q",2,x\r\n',
    '"m\n5",6,\n',
    '"m\n\n\n5",,"6\n"\n',
    '"open,3,\n',
    "w,x,y,z\n",
    "\n",
    '"a ""b""",1,\n',
    "1\n",
]


@given(st.lists(st.sampled_from(LINES), max_size=30), st.integers(1, 60))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_a_block_ends(tmp_path: Path, written: list[str], block: int) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes(("id,note,x\n" + "".join(written)).encode())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lines, "_BLOCK", block)
        found = read(path, Form())
    assert found == read(path, Form())


def test_a_field_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 64)
    monkeypatch.setattr(lines, "_LONGEST", 256)
    path = tmp_path / "some.csv"
    path.write_text('id,note,x\n0,5" pipe,0\n' + "1,a,1\n" * 500 + '2,6",2\n')
    blocks = [len(block) for block, _ in lines.records(path, Form(), [])]
    assert max(blocks) <= 256 + 64 + 10
    assert len(read(path, Form())[0]) == 502


def test_a_header_alone_is_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    for text in ("id,note,x\n", "\n\nid,note,x"):
        path.write_text(text)
        assert read(path, Form()) == ([], [])


def test_what_is_no_text_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes("id,note,x\n1,部,1\n".encode("gb18030") + b"2,\xff\xff,2\n")
    with pytest.raises(BadInput, match="line 3 is not gb18030 text"):
        read(path, Form(encoding="gb18030"))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_process_ends_while_a_file_is_half_read(tmp_path: Path, encoding: str) -> None:
    # Arrow's own stream would still be reading ahead, in a thread that calls Python for each broken line or block of text.
    path = tmp_path / "some.csv"
    path.write_text("id,note,x\n" + "1,a,1\n" * 1_400_000 + "1\n" * 4_000_000)
    code = (
        "import sys\nfrom pathlib import Path\nfrom features.sources import files\nfrom features.sources.lines import Form\n"
        f"held = files.chunks(Path({str(path)!r}), ['id'], form=Form(encoding={encoding!r}))\nnext(held)\nsys.exit(2)"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (child.returncode, child.stderr) == (2, "")
