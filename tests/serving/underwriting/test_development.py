"""Chain ladder against the published example, and triangles from valuations."""

from datetime import date

import numpy as np
import pytest

from serving.underwriting import development

# Taylor & Ashe's triangle as in Mack (1993), section 6; incremental amounts there, cumulated here.
TAYLOR_ASHE = (
    (357848, 1124788, 1735330, 2218270, 2745596, 3319994, 3466336, 3606286, 3833515, 3901463),
    (352118, 1236139, 2170033, 3353322, 3799067, 4120063, 4647867, 4914039, 5339085),
    (290507, 1292306, 2218525, 3235179, 3985995, 4132918, 4628910, 4909315),
    (310608, 1418858, 2195047, 3757447, 4029929, 4381982, 4588268),
    (443160, 1136350, 2128333, 2897821, 3402672, 3873311),
    (396132, 1333217, 2180715, 2985752, 3691712),
    (440832, 1288463, 2419861, 3483130),
    (359480, 1421128, 2864498),
    (376686, 1363294),
    (344014,),
)


def cells(rows: tuple[tuple[float, ...], ...]) -> np.ndarray:
    return np.array([[*row, *[np.nan] * (len(rows) - len(row))] for row in rows], dtype=np.float64)


def test_macks_own_example() -> None:
    found = development.chain_ladder(cells(TAYLOR_ASHE))
    assert found.factors.round(3).tolist() == [3.491, 1.747, 1.457, 1.174, 1.104, 1.086, 1.054, 1.077, 1.018]
    reserve = found.ultimate - found.latest
    assert (reserve / 1000).round().tolist() == [0, 95, 470, 710, 985, 1419, 2178, 3920, 4279, 4626]
    share = (found.error[1:] / reserve[1:] * 100).round().tolist()
    assert share == [80, 26, 19, 27, 29, 26, 22, 23, 29]
    assert (reserve.sum() / 1000).round() == 18681
    assert round(found.total_error / 1000) == 2447


def test_a_triangle_is_what_the_claims_were_worth_at_each_age() -> None:
    def days(*texts: str) -> np.ndarray:
        return np.array([np.datetime64(text).astype(int) for text in texts])

    # Claim 0 grows after its year; claim 1 is settled for less; claim 2 is of the second period; claim 3 too old.
    claim = np.array([0, 0, 1, 1, 2, 3])
    happened = days("2023-05-01", "2023-05-01", "2023-11-01", "2023-11-01", "2024-06-30", "2020-01-01")
    valued = days("2023-12-31", "2024-09-01", "2023-12-31", "2024-02-01", "2024-12-31", "2023-12-31")
    amount = np.array([100.0, 300.0, 50.0, 20.0, 70.0, 999.0])
    found = development.triangle(claim, happened, valued, amount, date(2024, 12, 31), 2)
    assert found.ends == (date(2023, 12, 31), date(2024, 12, 31))
    np.testing.assert_array_equal(found.amounts, [[150.0, 320.0], [70.0, np.nan]])


def test_nothing_known_after_the_valuation_is_seen() -> None:
    day = np.array([19_000])
    found = development.triangle(np.array([0]), day, day + 1, np.array([5.0]), date.fromordinal(719_163 + 19_000), 1)
    assert found.amounts.tolist() == [[0.0]]


def test_periods_without_a_claim_are_no_error() -> None:
    found = development.chain_ladder(np.array([[0.0, 0.0], [0.0, np.nan]]))
    assert found.ultimate.tolist() == [0.0, 0.0] and found.to_ultimate.tolist() == [1.0, 1.0]
    one = development.chain_ladder(np.array([[7.0]]))
    assert one.ultimate.tolist() == [7.0] and one.total_error == 0.0


def test_a_trend_of_a_tenth_a_year() -> None:
    found = development.trend(100.0 * 1.1 ** np.arange(5.0))
    assert found is not None and found.yearly == pytest.approx(0.1) and found.low == pytest.approx(found.high)
    assert development.trend(np.array([1.0, 2.0])) is None


def test_a_trend_is_told_with_what_it_could_be() -> None:
    found = development.trend(np.array([100.0, 130.0, 90.0, 140.0]))
    assert found is not None and found.low < 0.0 < found.yearly < found.high


def test_of_many_valuations_the_last_of_each_quarter() -> None:
    days = [date(2024, month, day) for month in range(1, 13) for day in (1, 15)]
    assert development.valuation_dates(days) == tuple(date(2024, month, 15) for month in range(1, 13))
    assert development.valuation_dates(days, 6) == tuple(date(2024, month, 15) for month in (3, 6, 9, 12))


def test_of_each_claim_the_last_value_known() -> None:
    claim, amount = development.known_at(np.array([1, 0, 1]), np.array([5, 6, 9]), np.array([10.0, 20.0, 30.0]), 6)
    assert claim.tolist() == [0, 1] and amount.tolist() == [20.0, 10.0]
