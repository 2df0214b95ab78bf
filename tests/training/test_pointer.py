"""The pointer moves whole, only to a bundle that answers, and knows the way back."""

import json

import pytest

from features.errors import BadInput, Conflict, NotFound
from serving.champion import load_champion
from tests.training import small
from training.pointer import advance, before, deciding, newest_bundle, pointer_path, read_pointer, step_back


def test_pointer_names_the_bundle_and_the_one_before(tmp_path):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    assert advance(tmp_path, "mill", first).previous is None
    assert advance(tmp_path, "mill", second).previous == first
    document = json.loads(pointer_path(tmp_path, "mill").read_text())
    assert document["bundle"] == second
    assert (tmp_path / document["path"] / "manifest.json").is_file()
    assert document["promoted_at"].endswith(("Z", "+00:00"))


def test_promoting_the_champion_again_changes_nothing(tmp_path):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    advance(tmp_path, "mill", first)
    before = advance(tmp_path, "mill", second)
    assert advance(tmp_path, "mill", second) == before
    assert read_pointer(tmp_path, "mill").previous == first


def test_newest_bundle_of_the_kind_is_taken_by_default(tmp_path):
    small.saved(tmp_path, seed=1, day=5)
    newest = small.saved(tmp_path, seed=2, day=9)
    small.saved(tmp_path, seed=3, day=20, name="press")
    assert newest_bundle(tmp_path, "mill") == newest


def test_damaged_manifest_is_passed_over_and_told(tmp_path):
    older, newest = small.saved(tmp_path, seed=1, day=5), small.saved(tmp_path, seed=2, day=9)
    (tmp_path / "bundles" / newest / "manifest.json").write_text("{")
    said = []
    assert newest_bundle(tmp_path, "mill", said.append) == older
    assert len(said) == 1 and said[0].startswith("a bundle is passed over: ") and newest in said[0]
    (tmp_path / "bundles" / older / "manifest.json").write_text("{")
    with pytest.raises(BadInput, match="manifest"):
        newest_bundle(tmp_path, "mill")


def test_damaged_bundle_is_refused_and_the_pointer_stays(tmp_path):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    advance(tmp_path, "mill", first)
    file = tmp_path / "bundles" / second / "members.txt"
    file.write_text(file.read_text().replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(BadInput, match="checksum"):
        advance(tmp_path, "mill", second)
    assert read_pointer(tmp_path, "mill").bundle == first


def test_bundle_that_misses_its_golden_rows_is_refused(tmp_path, monkeypatch):
    only = small.saved(tmp_path)

    def miss(self):
        raise BadInput("golden rows are answered differently", where=only)

    monkeypatch.setattr("training.bundle.Bundle.check_golden", miss)
    with pytest.raises(BadInput, match="golden"):
        advance(tmp_path, "mill", only)
    assert not pointer_path(tmp_path, "mill").exists()


def test_bundle_of_another_kind_is_refused(tmp_path):
    other = small.saved(tmp_path, name="press")
    with pytest.raises(BadInput, match="of kind press"):
        advance(tmp_path, "mill", other)


@pytest.mark.parametrize("name", ["nothing", "../bundles", ""])
def test_unknown_bundle_is_not_found(tmp_path, name):
    (tmp_path / "bundles").mkdir()
    with pytest.raises(NotFound):
        advance(tmp_path, "mill", name or newest_bundle(tmp_path, "mill"))


def test_damaged_pointer_is_named(tmp_path):
    path = pointer_path(tmp_path, "mill")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(BadInput, match=r"mill\.json"):
        read_pointer(tmp_path, "mill")


def test_no_half_written_file_is_left(tmp_path):
    advance(tmp_path, "mill", small.saved(tmp_path))
    assert [path.name for path in pointer_path(tmp_path, "mill").parent.iterdir()] == ["mill.json"]


def test_each_step_back_goes_one_further(tmp_path):
    names = [small.saved(tmp_path, seed=seed, day=seed) for seed in (1, 2, 3)]
    for name in names:
        advance(tmp_path, "mill", name)
    assert [one.bundle for one in read_pointer(tmp_path, "mill").earlier] == names[:2]
    assert step_back(tmp_path, "mill").bundle == names[1]
    last = step_back(tmp_path, "mill", decision="why")
    assert (last.bundle, last.previous, last.earlier, last.decision) == (names[0], None, (), "why")
    with pytest.raises(Conflict, match="no champion before"):
        step_back(tmp_path, "mill")
    assert read_pointer(tmp_path, "mill") == last


def test_promotion_after_a_step_back_returns_to_where_it_came_from(tmp_path):
    first, second, third = (small.saved(tmp_path, seed=seed, day=seed) for seed in (1, 2, 3))
    advance(tmp_path, "mill", first)
    advance(tmp_path, "mill", second)
    step_back(tmp_path, "mill")
    advance(tmp_path, "mill", third)
    assert step_back(tmp_path, "mill").bundle == first


def test_step_back_to_a_damaged_bundle_is_refused_and_the_pointer_stays(tmp_path):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    advance(tmp_path, "mill", first)
    advance(tmp_path, "mill", second)
    (tmp_path / "bundles" / first / "calibration.json").unlink()
    with pytest.raises(BadInput, match="missing"):
        step_back(tmp_path, "mill")
    assert read_pointer(tmp_path, "mill").bundle == second


def test_pointer_of_an_earlier_version_is_read_and_led_back(tmp_path):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    path = pointer_path(tmp_path, "mill")
    path.parent.mkdir(parents=True)
    old = {"bundle": second, "path": f"bundles/{second}", "promoted_at": "2026-03-02T00:00:00+00:00", "previous": first}
    path.write_text(json.dumps(old))
    assert [one.bundle for one in before(tmp_path, "mill")] == [first]
    assert step_back(tmp_path, "mill").bundle == first


def test_what_serving_reads_stays_in_the_pointer(tmp_path):
    champion = advance(tmp_path, "mill", small.saved(tmp_path))
    document = json.loads(pointer_path(tmp_path, "mill").read_text())
    assert {"bundle", "path", "promoted_at", "previous"} <= set(document)
    assert load_champion(tmp_path, "mill").bundle_id == champion.bundle


def test_without_a_champion_there_is_nothing_to_return_to(tmp_path):
    with pytest.raises(NotFound, match="no champion of kind mill"):
        before(tmp_path, "mill")


def test_one_decides_at_a_time(tmp_path):
    one, other, again = (deciding(tmp_path, kind) for kind in ("mill", "press", "mill"))
    with one, other, pytest.raises(Conflict, match="another process decides"), again:
        pass
    with deciding(tmp_path, "mill"):
        pass


def test_killed_while_the_pointer_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    first, second = small.saved(tmp_path, seed=1), small.saved(tmp_path, seed=2, day=2)
    advance(tmp_path, "mill", first)

    def die(*_):
        raise KeyboardInterrupt

    for point in ("os.fsync", "pathlib.Path.replace"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(point, die)
            advance(tmp_path, "mill", second)
        assert read_pointer(tmp_path, "mill").bundle == first
        assert load_champion(tmp_path, "mill").bundle_id == first
    assert advance(tmp_path, "mill", second).bundle == second
