"""From sites to a problem: tiers, values by rule, the lot."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from serving.inspection import rules as rulesets
from serving.inspection.model import Mode, Reason, Tier
from serving.inspection.plan import Draft, SiteNow, draft
from serving.inspection.tiers import Standing, Supervised
from tests.serving.inspection.planned import ANN, BOB, WEEKDAYS, line

RULES = rulesets.load()
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
SEED = "00112233445566778899aabbccddeeff"
CALM = Standing("food", False, since=MONDAY - timedelta(days=30), headcount=200.0, p_accident=0.01)


def site(name: str, *, loss: float | None = 365_000.0, standing: Standing = CALM, place: int = 2, **changed: object) -> SiteNow:
    return replace(SiteNow("e", name, place, standing, WEEKDAYS, "north", loss), **changed)  # type: ignore[arg-type]


def drafted(*sites: SiteNow, seed: str = SEED, share: float = 0.0) -> Draft:
    rules = RULES.model_copy(update={"lot": RULES.lot.model_copy(update={"share": share})})
    return draft(rules, sites, (ANN, BOB), line(10), MONDAY, seed, lambda one: f"v-{one.site_id}")


def test_tiers_and_reasons() -> None:
    late = replace(CALM, since=MONDAY - timedelta(days=85))  # due on the Sunday of the week
    watched = replace(late, supervised=(Supervised("h-1", MONDAY - timedelta(days=9), MONDAY + timedelta(days=6)),))
    soon = replace(CALM, supervised=(Supervised("h-2", MONDAY - timedelta(days=9), MONDAY + timedelta(days=8)),))
    made = drafted(site("calm"), site("late", standing=late), site("watched", standing=watched), site("soon", standing=soon))
    told = {one.visit_id: (one.tier, one.reason, one.minutes) for one in made.problem.wanted}
    assert told == {
        "v-calm": (Tier.VALUE, Reason.TARGETED, 120),
        "v-late": (Tier.MINIMUM, Reason.MINIMUM, 120),
        "v-watched": (Tier.FOLLOW_UP, Reason.FOLLOW_UP, 60),
        "v-soon": (Tier.VALUE, Reason.TARGETED, 120),
    }
    assert made.why["v-late"].overdue_days == pytest.approx(85 + 7 - 365 / 4)


def test_sites_without_a_usable_score_are_planned_by_rule() -> None:
    mine = replace(CALM, industry="mining")
    sites = [site("a", loss=100.0), site("b", loss=300.0), site("c", loss=9_000.0, standing=mine)]
    made = drafted(*sites, site("d", loss=None), site("e", loss=None, standing=mine))
    value = {one.visit_id: one.value for one in made.problem.wanted}
    assert value["v-d"] == pytest.approx((value["v-a"] + value["v-b"]) / 2)
    assert value["v-e"] == pytest.approx(value["v-c"])
    assert [why.by_rule for why in made.why.values()] == [False, False, False, True, True]
    assert drafted(site("alone", loss=None)).problem.wanted[0].value == 0.0


def test_no_site_is_dropped() -> None:
    sites = [site(f"s{place}", loss=None if place % 3 else 5.0) for place in range(30)]
    assert {one.site_id for one in drafted(*sites, share=0.5).problem.wanted} == {f"e/s{place}" for place in range(30)}


def test_the_lot_is_owed_outweighs_its_tier_and_is_told_to_nobody() -> None:
    sites = [site(f"s{place}", loss=float(place)) for place in range(40)]
    made = drafted(*sites, share=0.1)
    # Two inspectors of 3,000 minutes, visits of 120 and a way of 10 from the nearest home: 46 visits, a tenth of them by lot.
    assert len(made.drawn) in (4, 5) and len(made.inspectors_drawn) in (2, 3)
    wanted = {one.site_id: one for one in made.problem.wanted}
    for key in made.drawn:
        assert (wanted[key].tier, wanted[key].reason, wanted[key].mode) == (Tier.MINIMUM, Reason.LOT, Mode.UNANNOUNCED)
    for key, who in made.inspectors_drawn.items():
        assert wanted[key].inspectors == frozenset({who})
    seen = {one.site_id: one.value for one in made.to_solve().wanted}
    assert min(seen[key] for key in made.drawn) >= max(value for key, value in seen.items() if key not in made.drawn)
    assert all(seen[key] == wanted[key].value for key in seen if key not in made.drawn)
    assert {one.visit_id for one in made.problem.wanted} - {one.visit_id for one in made.to_solve(["v-s3"]).wanted} == {"v-s3"}


def test_sites_beyond_reach_take_nobodys_time_and_leave_the_lot_as_it_is() -> None:
    near = [site(f"s{place}") for place in range(40)]
    far = [site(f"far{place}", region="south", skills=frozenset({"gas"})) for place in range(400)]
    assert drafted(*near, *far, share=0.2).drawn == drafted(*near, share=0.2).drawn != ()


def test_few_visits_are_drawn_now_and_then() -> None:
    # Four sites, a tenth of the visits: none in most weeks, and never none for ever.
    draws = [
        len(drafted(*(site(f"s{place}") for place in range(4)), seed=f"{seed:032x}", share=0.1).drawn) for seed in range(400)
    ]
    assert set(draws) == {0, 1} and 0.3 < sum(draws) / len(draws) < 0.5


def test_same_seed_same_lot_and_no_score_moves_it() -> None:
    sites = [site(f"s{place}", loss=float(place)) for place in range(40)]
    other = [replace(one, loss_a_year=1e6 - place) for place, one in enumerate(reversed(sites))]
    assert drafted(*sites, share=0.1).drawn == drafted(*other, share=0.1).drawn
    assert drafted(*sites, share=0.1).drawn != drafted(*sites, share=0.1, seed="f" * 32).drawn


def test_what_is_due_anyway_keeps_its_reason_though_drawn() -> None:
    late = replace(CALM, since=MONDAY - timedelta(days=500))
    sites = [site(f"s{place}", standing=late) for place in range(5)]
    made = drafted(*sites, share=1.0)
    assert len(made.drawn) == 5
    assert {one.reason for one in made.problem.wanted} == {Reason.MINIMUM}
    assert all(why.drawn for why in made.why.values())


def test_pinned_and_unreachable_sites_are_not_drawn() -> None:
    far = replace(site("far"), place=2, region="south", skills=frozenset({"gas"}))
    made = drafted(far, site("pinned", pinned=("ann", 600)), site("free"), share=1.0)
    assert made.drawn == ("e/free",)


def test_recent_visits_lower_the_value_and_remote_support_averts_less() -> None:
    made = drafted(
        site("a"), site("b", completed=(MONDAY - timedelta(days=60), MONDAY + timedelta(days=1))), site("c", mode=Mode.REMOTE)
    )
    value = {one.visit_id: one.value for one in made.problem.wanted}
    assert value["v-a"] == pytest.approx(365_000 * 90 / 365 * 0.094)
    assert value["v-b"] == pytest.approx(value["v-a"] / 2)
    assert value["v-c"] == pytest.approx(value["v-a"] / 2)
    assert {one.visit_id: one.minutes for one in made.problem.wanted}["v-c"] == 60


def test_in_a_week_under_way_visits_of_its_first_days_count() -> None:
    noon = MONDAY + timedelta(days=1, hours=12)
    late = replace(CALM, since=MONDAY - timedelta(days=400), visits=(noon - timedelta(hours=3),))
    sites = [site("late", standing=late, completed=late.visits)]
    made = draft(RULES, sites, (ANN, BOB), line(10), MONDAY, SEED, lambda _: "v", noon)
    assert made.why["v"].overdue_days < 0 and made.problem.wanted[0].reason == Reason.TARGETED
    assert made.problem.wanted[0].value == pytest.approx(365_000 * 90 / 365 * 0.094 * (1 - 0.5 ** (3 / 24 / 60)))
    before = draft(RULES, sites, (ANN, BOB), line(10), MONDAY, SEED, lambda _: "v", MONDAY - timedelta(days=3))
    assert before.problem.wanted[0].tier == Tier.MINIMUM
