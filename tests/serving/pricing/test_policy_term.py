"""A policy's term: the ledger stays within its bounds whatever comes, adjustments and the rebate are kept with all they saw."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from features.errors import BadInput, Conflict
from serving.pricing.policy_term import Noticed, PolicyTerm, Seen
from serving.pricing.store import QuoteStore, opened
from serving.underwriting.term import Accident, Overdue
from tests.serving.quoted import ENDS, STARTS, document, facts

DAY = date(2025, 7, 2)  # 183 days of 365 are left
PREMIUM = Decimal("15200.00")
CAP = Decimal("0.21")
PAPER = {"evidence": "invoice 1", "by": "陈"}


@pytest.fixture
def kept(url: str) -> Iterator[QuoteStore]:
    with opened(url) as found:
        yield found


@pytest.fixture
def policy(kept: QuoteStore) -> PolicyTerm:
    return PolicyTerm(kept, kept.add_quote(document()))


def use(policy: PolicyTerm, amount: str) -> None:
    policy.use(Decimal(amount), DAY, "training", "安全服务公司", **PAPER)


def test_the_ledger_says_what_is_set_aside_used_and_left(policy: PolicyTerm) -> None:
    policy.receive(Decimal("10000"), STARTS, **PAPER)
    use(policy, "1500.50")
    now = policy.balance(policy.policy())
    assert (now.received, now.least, now.most) == (Decimal(10_000), Decimal("1000.00"), Decimal("2100.00"))
    assert (now.used, now.remaining, now.due, now.over) == (Decimal("1500.50"), Decimal("599.50"), Decimal(0), Decimal(0))
    received, used = policy.policy().ledger
    assert (received.number, received.kind, received.amount, received.item) == (1, "received", Decimal("10000"), None)
    assert (used.number, used.kind, used.item, used.provider) == (2, "used", "training", "安全服务公司")
    assert (used.day, used.evidence, used.by) == (DAY, "invoice 1", "陈")


def test_a_use_beyond_the_cap_is_refused_in_one_line_and_not_kept(policy: PolicyTerm) -> None:
    policy.receive(Decimal("10000"), STARTS, **PAPER)
    use(policy, "2000")
    with pytest.raises(Conflict) as caught:
        use(policy, "100.01")
    assert "100.01 would pass the cap: 100.00 of 2100.00 are left (21.00 % of 10000 received)" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(policy.policy().ledger) == 2
    use(policy, "100.00")
    assert policy.balance(policy.policy()).remaining == 0


@pytest.mark.parametrize("blank", ["evidence", "by", "item", "provider"])
def test_a_line_without_a_word_on_what_who_or_where_is_refused(policy: PolicyTerm, blank: str) -> None:
    policy.receive(Decimal("10000"), STARTS, **PAPER)
    words = {"item": "i", "provider": "p", **PAPER, blank: " "}
    with pytest.raises(BadInput, match=f"--{blank}: blank"):
        policy.use(Decimal(1), DAY, **words)
    assert len(policy.policy().ledger) == 1


def test_no_more_is_received_than_the_premium_nor_returned_than_received(policy: PolicyTerm) -> None:
    policy.receive(PREMIUM, STARTS, **PAPER)
    with pytest.raises(Conflict, match=r"15200.01 would be received of a premium of 15200.00"):
        policy.receive(Decimal("0.01"), STARTS, **PAPER)
    with pytest.raises(BadInput, match="more premium returned than received"):
        policy.receive(-PREMIUM - 1, STARTS, **PAPER)
    with pytest.raises(BadInput, match="nothing was received"):
        policy.receive(Decimal(0), STARTS, **PAPER)
    assert len(policy.policy().ledger) == 1


def test_many_hands_do_not_pass_the_cap_together(new_url: Callable[[], str]) -> None:
    url = new_url()
    with opened(url) as kept:
        policy = PolicyTerm(kept, kept.add_quote(document()))
        policy.receive(Decimal("10000"), STARTS, **PAPER)

    def spend(_turn: int) -> bool:
        with opened(url) as mine:
            try:
                use(PolicyTerm(mine, policy.quote_id), "500")
            except Conflict:
                return False
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(spend, range(12))) == 4  # 2,100 may be used
    with opened(url) as kept:
        found = PolicyTerm(kept, policy.quote_id)
        assert found.balance(found.policy()).used == 2000


def test_an_accident_adjusts_the_days_that_are_left(policy: PolicyTerm) -> None:
    [made] = policy.adjust([Seen(Accident(DAY, "larger"), "notice 7")], "陈")
    assert made.amount == Decimal("1524.16")  # 15,200 x 183 / 365 x 0.2
    assert policy.policy().premium == Decimal("16724.16")
    assert (made.day, made.by, made.document["evidence"]) == (DAY, "陈", "notice 7")
    assert (made.document["grade"], made.document["days_left"], made.document["factor"]) == ("larger", 183, "1.2")
    assert "逾期未整改" in made.document["citation"]
    [overdue] = policy.adjust([Seen(Overdue(DAY + timedelta(100), 2), "visit 3")], "陈")
    assert overdue.number == 2
    assert overdue.document["factor_before"] == "1.2"
    assert policy.policy().adjustments == (made, overdue)


def test_several_events_are_kept_together_or_not_at_all(policy: PolicyTerm) -> None:
    events = [Seen(Accident(DAY, "ordinary"), "a"), Seen(Accident(ENDS + timedelta(1), "ordinary"), "b")]
    with pytest.raises(BadInput, match="2026-01-01 lies outside the term"):
        policy.adjust(events, "陈")
    with pytest.raises(BadInput, match="no grade 'huge'"):
        policy.adjust([Seen(Accident(DAY, "huge"), "a")], "陈")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="--by: blank"):
        policy.adjust(events[:1], " ")
    assert policy.policy().adjustments == ()


def test_the_lake_is_counted_once(policy: PolicyTerm) -> None:
    one = Seen(Accident(DAY, "ordinary"), "accidents: a-1", "a-1")
    told = Noticed(DAY + timedelta(5), (one,), 3, "hazards: h-1, h-2, h-3")
    first = policy.notice(told, "陈")
    assert [row.document["kind"] for row in first] == ["accident", "overdue"]
    assert policy.notice(told, "陈") == ()
    later = replace(told, day=DAY + timedelta(9), overdue=0, accidents=(one, replace(one, accident_id="a-2")))
    again = policy.notice(later, "陈")
    # The second one was on the day of the first, but the days since are charged already.
    assert [(row.document["accident_id"], row.day) for row in again] == [("a-2", told.day), (None, later.day)]
    assert again[-1].document["hazards"] == 0
    after = replace(told, day=ENDS + timedelta(40), overdue=7, accidents=(replace(one, accident_id="a-3"),))
    assert [row.document["kind"] for row in policy.notice(after, "陈")] == ["accident"]


def test_an_override_comes_before_the_term_is_adjusted(kept: QuoteStore, policy: PolicyTerm) -> None:
    kept.add_override(policy.quote_id, Decimal(10_000), "李", "agreed")
    [made] = policy.adjust([Seen(Accident(STARTS, "ordinary"), "a")], "陈")
    assert made.amount == Decimal("1000.00")
    with pytest.raises(Conflict, match="its premium was adjusted during the term already"):
        kept.add_override(policy.quote_id, Decimal(9_000), "李", "again")


def test_the_rebate_is_settled_once_at_the_end(kept: QuoteStore, policy: PolicyTerm) -> None:
    fell = facts(policy.over, accident_rate_change_1y=Decimal("-0.2"))
    with pytest.raises(Conflict, match="the policy runs until 2025-12-31"):
        policy.rebate(replace(fell, as_of=ENDS), "陈")
    with pytest.raises(Conflict, match="no premium was received"):
        policy.rebate(fell, "陈")
    policy.receive(Decimal("15199.99"), STARTS, **PAPER)
    made = policy.rebate(fell, "陈")
    assert made.amount == Decimal("759.99")  # 5 % of what was received, rounded down
    assert (made.document["level"], made.document["received"]) == ("accident_rate_down", "15199.99")
    assert made.document["evidence"] == "accident_rate_change_1y = -0.2 (paper accident_rate_change_1y)"
    with pytest.raises(Conflict, match=r"its rebate of 759.99 was settled on .* by 陈"):
        policy.rebate(fell, "李")
    with pytest.raises(Conflict, match="was settled"):
        policy.receive(Decimal("0.01"), policy.over, **PAPER)
    with pytest.raises(Conflict, match="was settled"):
        kept.add_override(policy.quote_id, Decimal(1), "李", "again")
    use(policy, "1")  # what a service cost may be told later
    with pytest.raises(Conflict, match="was settled"):
        policy.adjust([Seen(Accident(DAY, "ordinary"), "a")], "陈")


def test_nothing_is_returned_where_nothing_is_known(policy: PolicyTerm) -> None:
    policy.receive(PREMIUM, STARTS, **PAPER)
    made = policy.rebate(facts(policy.over), "陈")
    assert (made.amount, made.document["missing"]) == (Decimal(0), ["accident_rate_change_1y"])


def test_a_rulebook_without_such_a_rule_refuses(kept: QuoteStore) -> None:
    policy = PolicyTerm(kept, kept.add_quote(document(rulebook="fuyang-example")))
    policy.receive(Decimal(1), STARTS, **PAPER)
    with pytest.raises(BadInput, match="rulebook fuyang-example: it states no rebate"):
        policy.rebate(facts(policy.over), "陈")


CENTS = st.integers(1, 400_000).map(lambda cents: Decimal(cents) / 100)


class LedgerMachine(RuleBasedStateMachine):
    """Whatever is entered, and whatever of it is refused, what was used never passes the cap of what had been received."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.store = opened(f"sqlite:///{Path(self.folder.name)}/store.db")
        quotes = self.store.__enter__()
        self.quotes, self.policy = quotes, PolicyTerm(quotes, quotes.add_quote(document()))
        self.received = self.used = Decimal(0)
        self.charged = self.premium = PREMIUM
        self.lines, self.day, self.adjusted = 0, STARTS, 0
        self.rebate: Decimal | None = None

    @rule(amount=CENTS)
    def receive(self, amount: Decimal) -> None:
        try:
            self.policy.receive(amount, STARTS, **PAPER)
        except Conflict:
            assert self.received + amount > self.premium or self.rebate is not None
        else:
            assert self.received + amount <= self.premium and self.rebate is None
            self.received, self.lines = self.received + amount, self.lines + 1

    @rule(amount=CENTS)
    def give_back(self, amount: Decimal) -> None:
        try:
            self.policy.receive(-amount, DAY, **PAPER)
        except BadInput:
            assert amount > self.received
        except Conflict:
            assert self.rebate is not None
        else:
            self.received, self.lines = self.received - amount, self.lines + 1

    @rule(amount=CENTS)
    def use(self, amount: Decimal) -> None:
        most = (self.received * CAP).quantize(Decimal("0.01"), ROUND_DOWN)
        try:
            use(self.policy, str(amount))
        except Conflict:
            assert self.used + amount > most
        else:
            self.used, self.lines = self.used + amount, self.lines + 1
            assert self.used <= most

    @rule(grade=st.sampled_from(["ordinary", "larger"]), days=st.integers(0, 90))
    def accident(self, grade: str, days: int) -> None:
        day = self.day + timedelta(days)
        try:
            [made] = self.policy.adjust([Seen(Accident(day, grade), "a")], "陈")  # type: ignore[arg-type]
        except BadInput:
            assert day > ENDS and self.rebate is None
        except Conflict:
            assert self.rebate is not None
        else:
            assert made.amount >= 0 and self.rebate is None
            self.premium, self.day, self.adjusted = self.premium + made.amount, day, self.adjusted + 1

    @rule(hazards=st.integers(0, 9), days=st.integers(0, 90))
    def overdue(self, hazards: int, days: int) -> None:
        day = min(self.day + timedelta(days), ENDS)
        try:
            [made] = self.policy.adjust([Seen(Overdue(day, hazards), "a")], "陈")
        except Conflict:
            assert self.rebate is not None
        else:
            self.premium, self.day, self.adjusted = self.premium + made.amount, day, self.adjusted + 1

    @rule(amount=CENTS)
    def override(self, amount: Decimal) -> None:
        try:
            self.quotes.add_override(self.policy.quote_id, amount, "李", "agreed")
        except Conflict:
            assert self.adjusted or self.rebate is not None
        else:
            assert not self.adjusted and self.rebate is None
            self.charged = self.premium = amount

    @rule(fell=st.booleans())
    def settle(self, fell: bool) -> None:
        change = Decimal("-0.1") if fell else Decimal("-0.09")
        try:
            made = self.policy.rebate(facts(self.policy.over, accident_rate_change_1y=change), "陈")
        except Conflict:
            assert self.rebate is not None or not self.received
        else:
            assert self.rebate is None
            assert made.amount == (self.received * Decimal("0.05") * fell).quantize(Decimal("0.01"), ROUND_DOWN)
            self.rebate = made.amount

    @invariant()
    def the_account_is_right(self) -> None:
        if not hasattr(self, "policy"):
            return
        found = self.policy.policy()
        now = self.policy.balance(found)
        assert (len(found.ledger), now.received, now.used) == (self.lines, self.received, self.used)
        assert [one.number for one in found.ledger] == list(range(1, self.lines + 1))
        assert (found.charged, found.premium, len(found.adjustments)) == (self.charged, self.premium, self.adjusted)
        assert self.charged <= self.premium + Decimal("0.10") <= self.charged * Decimal("1.3") + Decimal("0.20")  # term's cap
        assert 0 <= now.least <= now.accrued <= now.most
        assert min(now.remaining, now.due, now.over, now.used, now.received) >= 0
        assert now.remaining - now.over == now.most - now.used
        assert (None if found.rebate is None else found.rebate.amount) == self.rebate
        assert self.rebate is None or 0 <= self.rebate <= self.premium + self.received

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.__exit__(None, None, None)
            self.folder.cleanup()


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
