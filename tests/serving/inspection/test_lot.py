"""Draws by lot: repeatable by their seed, unforeseeable without it, and fair."""

from collections import Counter

import pytest

from serving.inspection.lot import draw, new_seed, pairs, whole

NAMES = [f"site-{place}" for place in range(20)]
SEED = "00112233445566778899aabbccddeeff"


def test_same_seed_same_lot_whatever_the_order() -> None:
    assert draw(SEED, "visits", NAMES, 4) == draw(SEED, "visits", reversed(NAMES), 4)
    # For ever: a stored seed must give the stored draw.
    assert draw(SEED, "visits", NAMES, 4) == EXPECTED


EXPECTED = ("site-2", "site-8", "site-17", "site-9")


def test_other_seeds_and_other_purposes_draw_otherwise() -> None:
    assert len({draw(new_seed(), "visits", NAMES, 4) for _ in range(20)}) > 15
    assert draw(SEED, "visits", NAMES, 4) != draw(SEED, "others", NAMES, 4)


def test_every_name_is_as_likely() -> None:
    draws = 4_000
    count = Counter(name for place in range(draws) for name in draw(f"{place:032x}", "visits", NAMES, 4))
    expected = draws * 4 / len(NAMES)
    # Chi-squared with 19 degrees: above 43.8 once in a thousand, but these seeds are fixed.
    assert sum((count[name] - expected) ** 2 / expected for name in NAMES) < 43.8


def test_a_site_cannot_be_known_beforehand() -> None:
    assert new_seed() != new_seed()
    assert len(bytes.fromhex(new_seed())) == 16


def test_more_than_there_are() -> None:
    assert sorted(draw(SEED, "visits", NAMES, 99)) == sorted(NAMES)
    assert draw(SEED, "visits", NAMES, 0) == ()
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw(SEED, "visits", NAMES, -1)


def test_inspectors_are_drawn_of_those_who_are_able() -> None:
    able = {name: ["a", "b", "c"] for name in NAMES} | {"site-3": ["c"], "site-4": []}
    found = pairs(SEED, NAMES, able, 0.5)
    assert len(found) == 10
    assert all(inspector in able[site] for site, inspector in found.items())
    assert "site-4" not in pairs(SEED, NAMES, able, 1.0)
    assert pairs(SEED, NAMES, able, 1.0)["site-3"] == "c"


def test_a_fraction_is_decided_by_lot() -> None:
    assert [whole(SEED, "visits", one) for one in (0.0, 1.0, 3.0)] == [0, 1, 3]
    seen = [whole(f"{place:032x}", "visits", 2.25) for place in range(2_000)]
    assert set(seen) == {2, 3} and 2.2 < sum(seen) / len(seen) < 2.3
    with pytest.raises(ValueError, match="no number to draw"):
        whole(SEED, "visits", -1.0)
