"""Whatever the risk rules pay, the settlement accepts; and what it accepts keeps every sum below the group order."""

from hashlib import sha256

from hypothesis import event, given, settings
from hypothesis import strategies as st

from fairway.crypto.pedersen import Opening, combine
from fairway.crypto.scalars import ORDER
from fairway.errors import InvalidMessage, Rejected
from fairway.risk.contract import Contract, Payoff, brackets
from fairway.risk.margin import deficit
from fairway.risk.position import closed, opened
from fairway.settlement.epoch import EpochProof
from fairway.settlement.note import Fill, Opened, OrderTx, open_note
from fairway.settlement.settlement import Settlement, SettlementTx, settle
from fairway.settlement.statement import Cause, Kind, Statement, Terms
from fairway.settlement.sums import commitment_of, opening_of
from fairway.settlement.values import shortfall

NOTE = b"n" * 32
POOL = Opening(-(10**12), 7)

unit = st.integers(1, 2**50 - 1) | st.integers(1, 10**6)
price = st.integers(1, 2**32 - 1) | st.integers(20_000, 40_000)
lots = st.integers(1, 2**48 - 1) | st.integers(1, 1000)
index = st.integers(-(2**64) + 1, 2**64 - 1) | st.integers(-(10**9), 10**9)
margin = st.integers(0, 2**63 - 1) | st.integers(0, 10**9)


def blinding(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest())


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_every_close_that_risk_makes_settles_or_leaves_the_bounds_openly(data):
    payoff = data.draw(st.sampled_from(Payoff))
    contract = Contract(payoff, data.draw(unit), brackets([(2**62, 50_000, 25_000)]), 0, 500, 5000)
    s, fills = data.draw(st.sampled_from([1, -1])), data.draw(st.integers(1, 3))
    position, note = None, None
    for _ in range(fills):
        fill = {"price": data.draw(price), "funding_index": data.draw(index)}
        public = Fill(
            network=1, market=2, inverse=bool(payoff), unit=contract.unit, side=s, at_ms=0, note=NOTE, **fill
        )  # fmt: skip
        size = data.draw(lots)
        posted = data.draw(margin | st.just(public.cost_of(size) // 20))
        try:
            position = opened(position, contract, s, size, public.price, public.funding_index, posted)
        except Rejected:
            event("out of bounds at the open")
            return
        added = open_note(public, size, posted, blinding).note
        note = added if note is None else note + added
    assert (note.lots.value, note.cost.value) == (position.lots, position.cost)
    assert (note.base.value, note.margin.value) == (position.funding_base, position.margin)
    near = st.just(public.price).map(
        lambda tick: max(1, min(2**32 - 1, tick + tick * data.draw(st.integers(-5, 5)) // 100))
    )
    now, mark = data.draw(price | near), data.draw(price | near)
    funding = data.draw(index | st.just(public.funding_index))
    closure = closed(position, contract, data.draw(st.integers(1, position.lots)), now, funding)
    at_a, at_b = deficit(contract, position, contract.tiers[0], funding)
    a, b = contract.ratio(mark)
    liquidated = at_a * a + at_b * b > 0
    terms = Terms(
        network=1, market=2, inverse=bool(payoff), unit=contract.unit, side=s, settlement_price=now, mark_price=mark,
        cause=Cause.LIQUIDATION if liquidated else Cause.TRADE, funding_index=funding, at_ms=0, note=NOTE,
        binding=NOTE, **({"liquidation_price": 1, "maintenance": 25_000} if liquidated else {}),
    )  # fmt: skip
    if max(closure.available, closure.bad_debt, closure.payment) >= 2**64:
        event("beyond the money that there is")
        return
    settlement = settle(note, POOL, closure, terms, blinding)
    event(f"{settlement.kind.name}{' partial' if settlement.statement.partial else ''}")
    v = {name: opening.value for name, opening in settlement.witness().items()}
    if liquidated:
        assert shortfall(settlement.statement, v) == at_a * a + at_b * b
    assert all(abs(factor) * 2**96 < ORDER // 8 for factor in terms.profit())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-(2**60), 2**60), st.sampled_from("xyz1")), max_size=6))
def test_a_sum_reads_the_same_over_openings_and_over_commitments(terms):
    known = {name: Opening(blinding(name) % 1000, blinding(name + "'")) for name in "xyz"}
    points = {name: opening.commitment for name, opening in known.items()}
    assert opening_of(tuple(terms), known).commitment == commitment_of(tuple(terms), points)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**63), st.integers(0, 2**63), st.integers(1, ORDER - 1), st.integers(1, ORDER - 1))
def test_commitments_of_notes_add_as_their_openings_do(x, y, r, t):
    one, two = Opening(x, r), Opening(y, t)
    assert (one + two).commitment == combine([(1, one.commitment), (1, two.commitment)])
    assert (one - two).commitment == combine([(1, one.commitment), (-1, two.commitment)])


FILL = Fill(
    network=1, market=2, inverse=True, unit=10**9, side=-1, price=30_000, funding_index=-5, at_ms=9, note=NOTE
)  # fmt: skip
OPENED = open_note(FILL, 100, 10**6, blinding)
STATEMENT = Statement(
    network=1, market=2, inverse=False, unit=5, side=1, cause=Cause.TRADE, settlement_price=7, mark_price=8,
    funding_index=-9, at_ms=10, note=NOTE, binding=NOTE, kind=Kind.GAIN, partial=True,
)  # fmt: skip
CLOSE = Settlement(STATEMENT, tuple(Opening(value - 5, value) for value in range(17)))
RECORDS = [
    (Settlement.decode, CLOSE.encode()),
    (SettlementTx.decode, SettlementTx(STATEMENT, CLOSE.commitments, b"proof").encode()),
    (OrderTx.decode, OPENED.transaction().encode()),
    (Opened.decode, OPENED.encode()),
    (EpochProof.decode, EpochProof((b"first", b"second")).encode()),
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(RECORDS), st.integers(0, 10**4), st.binary(max_size=4), st.integers(0, 8))
def test_altered_bytes_are_another_record_or_invalid_and_never_the_same_record(record, at, put, taken):
    decode, encoded = record
    at %= len(encoded) + 1
    altered = encoded[:at] + put + encoded[at + taken :]
    try:
        decoded = decode(altered)
    except InvalidMessage:
        return
    assert decoded.encode() == altered
