"""Promotion moves one pointer, whole, and only to a bundle that answers."""

import json

import pytest

from features.errors import BadInput, NotFound
from tests.training import small
from training.promote import newest_bundle, pointer_path, promote, read_pointer


def test_pointer_names_the_bundle_and_the_one_before(tmp_path):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    assert promote(tmp_path, "mill", first).previous is None
    assert promote(tmp_path, "mill", second).previous == first
    document = json.loads(pointer_path(tmp_path, "mill").read_text())
    assert document["bundle"] == second
    assert (tmp_path / document["path"] / "manifest.json").is_file()
    assert document["promoted_at"].endswith(("Z", "+00:00"))


def test_promoting_the_champion_again_changes_nothing(tmp_path):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    promote(tmp_path, "mill", first)
    before = promote(tmp_path, "mill", second)
    assert promote(tmp_path, "mill", second) == before
    assert read_pointer(tmp_path, "mill").previous == first


def test_newest_bundle_of_the_kind_is_taken_by_default(tmp_path):
    small.saved(tmp_path, seed=1, day=5)
    newest = small.saved(tmp_path, seed=2, day=9)
    small.saved(tmp_path, seed=3, day=20, name="press")
    assert newest_bundle(tmp_path, "mill") == newest
    assert promote(tmp_path, "mill").bundle == newest


def test_damaged_bundle_is_refused_and_the_pointer_stays(tmp_path):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    promote(tmp_path, "mill", first)
    file = tmp_path / "bundles" / second / "members.txt"
    file.write_text(file.read_text().replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(BadInput, match="checksum"):
        promote(tmp_path, "mill", second)
    assert read_pointer(tmp_path, "mill").bundle == first


def test_bundle_that_misses_its_golden_rows_is_refused(tmp_path, monkeypatch):
    only = small.saved(tmp_path)

    def miss(self):
        raise BadInput("golden rows are answered differently", where=only)

    monkeypatch.setattr("training.bundle.Bundle.check_golden", miss)
    with pytest.raises(BadInput, match="golden"):
        promote(tmp_path, "mill", only)
    assert not pointer_path(tmp_path, "mill").exists()


def test_bundle_of_another_kind_is_refused(tmp_path):
    other = small.saved(tmp_path, name="press")
    with pytest.raises(BadInput, match="of kind press"):
        promote(tmp_path, "mill", other)


@pytest.mark.parametrize("name", ["nothing", "../bundles", ""])
def test_unknown_bundle_is_not_found(tmp_path, name):
    (tmp_path / "bundles").mkdir()
    with pytest.raises(NotFound):
        promote(tmp_path, "mill", name or None)


def test_damaged_pointer_is_named(tmp_path):
    path = pointer_path(tmp_path, "mill")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(BadInput, match=r"mill\.json"):
        read_pointer(tmp_path, "mill")


def test_no_half_written_file_is_left(tmp_path):
    promote(tmp_path, "mill", small.saved(tmp_path))
    assert [path.name for path in pointer_path(tmp_path, "mill").parent.iterdir()] == ["mill.json"]
