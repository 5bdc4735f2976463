"""Every kind of close settles, proves, verifies and travels as bytes, with the integers that risk moved."""

import json
from pathlib import Path

import pytest
from settlement_cases import BINDING, CASES, ENTROPY, NOTE, POOL, blinder, case

from fairway.errors import IllegalTransition, InvalidMessage, InvalidProof
from fairway.settlement.chain import CHAIN_START, PublicBooks, chain_next
from fairway.settlement.epoch import EpochProof, prove_epoch, verify_epoch
from fairway.settlement.note import Opened, OrderTx, open_note
from fairway.settlement.programs import absorbed
from fairway.settlement.proof import prove, verify, verify_batch
from fairway.settlement.settlement import Settlement, SettlementTx, settle
from fairway.settlement.statement import Kind, binding

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "zkos-settlements.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_every_close_proves_and_states_exactly_what_risk_moved(name):
    close = CASES[name]()
    settlement, closure = close.settle(), close.closure
    values = {key: opening.value for key, opening in settlement.witness().items()}
    paid = closure.payment if closure.profit < 0 else -closure.payment
    assert settlement.pool_after.value == POOL.value + paid + close.cover
    assert (values["AM"], values["P"], values["IM"]) == (closure.available, closure.payment, closure.margin)
    tx = prove(settlement, ENTROPY)
    verify(tx)
    assert tx.txid == settlement.txid
    assert tx.pool_after == settlement.pool_after.commitment
    rest = settlement.note_after(close.note)
    assert (rest is None) == (closure.rest is None) == (tx.note_after is None)
    if rest is not None and closure.rest is not None:
        left = (rest.lots.value, rest.cost.value, rest.base.value, rest.margin.value)
        assert left == (closure.rest.lots, closure.rest.cost, closure.rest.funding_base, closure.rest.margin)
        assert tx.note_after == rest.points()


@pytest.mark.parametrize("name", CASES)
def test_records_read_back_from_their_bytes(name):
    settlement = CASES[name]().settle()
    assert Settlement.decode(settlement.encode()) == settlement
    assert Settlement.decode(settlement.encode()).txid == settlement.txid
    tx = SettlementTx(settlement.statement, settlement.commitments, b"proof")
    assert SettlementTx.decode(tx.encode()) == tx
    opened = CASES[name]().opened
    assert Opened.decode(opened.encode()) == opened
    order = opened.transaction()
    assert OrderTx.decode(order.encode()) == order


@pytest.mark.parametrize("name", ["gain", "inverse gain"])
def test_bytes_that_are_cut_extended_or_of_another_domain_are_invalid(name):
    close = CASES[name]()
    records = [
        (OrderTx.decode, close.opened.transaction().encode()),
        (Settlement.decode, close.settle().encode()),
        (SettlementTx.decode, prove(close.settle(), ENTROPY).encode()),
        (EpochProof.decode, EpochProof((b"one", b"two")).encode()),
    ]
    for decode, encoded in records:
        for bad in (encoded[:-1], encoded + b"\0", b"x" + encoded[1:], b""):
            with pytest.raises(InvalidMessage):
                decode(bad)


@pytest.mark.parametrize("name", CASES)
def test_identities_are_those_of_the_published_vectors(name):
    settlement = CASES[name]().settle()
    assert VECTORS[name] == {
        "kind": settlement.kind.name.lower(),
        "order": CASES[name]().opened.txid.hex(),
        "statement": settlement.statement.encode().hex(),
        "program": absorbed(settlement.statement)[-32:].hex(),
        "commitments": [point.hex() for point in settlement.commitments],
        "txid": settlement.txid.hex(),
    }


def test_a_plain_settlement_has_no_multiplier_and_417_bytes():
    assert [len(prove(CASES[name]().settle(), ENTROPY).proof) for name in ("gain, whole", "loss, whole")] == [417, 417]


def test_the_kind_follows_from_the_integers_and_the_cause():
    kinds = {
        name: CASES[name]().settle().kind for name in ("gain", "gain of nothing", "loss", "liquidation", "bankrupt")
    }
    assert list(kinds.values()) == [Kind.GAIN, Kind.GAIN, Kind.LOSS, Kind.LIQUIDATION, Kind.BANKRUPT]
    assert CASES["liquidation at a gain"]().settle().kind is Kind.GAIN
    assert CASES["bankrupt by trade"]().settle().kind is Kind.BANKRUPT


def test_the_same_journal_gives_the_same_settlement_and_the_same_proof():
    first, second = (CASES["loss"]().settle() for _ in range(2))
    assert first.txid == second.txid
    assert prove(first, ENTROPY) == prove(second, ENTROPY)
    assert CASES["loss"]().settle("another seed").txid != first.txid


@pytest.mark.parametrize("wrong", [
    {"payment": 1}, {"available": 1}, {"remainder": 1}, {"cost": 1}, {"base": 1}, {"margin": 1}, {"bad_debt": 1},
])  # fmt: skip
def test_integers_that_break_the_rules_are_our_own_fault(wrong):
    class Altered:
        def __init__(self, closure):
            for field in ("lots", "cost", "base", "margin", "remainder", "available", "payment", "bad_debt"):
                setattr(self, field, getattr(closure, field) + wrong.get(field, 0))

    for name in ("gain", "loss, whole", "inverse short loss", "bankrupt"):
        close = CASES[name]()
        with pytest.raises(IllegalTransition):
            settle(close.note, POOL, Altered(close.closure), close.terms, blinder("x"))


def test_a_position_above_maintenance_cannot_be_settled_as_a_liquidation():
    with pytest.raises(IllegalTransition):
        case(29_300, cause=CASES["liquidation"]().terms.cause, mark=29_900).settle()


def test_insurance_never_covers_more_than_the_debt():
    with pytest.raises(IllegalTransition):
        case(28_000, cover=case(28_000).closure.bad_debt + 1).settle()


def test_notes_add_up_over_fills_and_the_books_follow_them_through_two_closes():
    first = CASES["gain"]()
    fill = first.opened.fill
    more = open_note(fill, 0, 55, blinder("top up"))
    note = first.note + more.note
    assert note.margin.value == first.note.margin.value + 55
    books = PublicBooks(POOL.commitment)
    books.apply(first.opened.transaction())
    books.apply(more.transaction())
    assert books.notes[NOTE][1] == note.points()
    one = settle(note, POOL, first.closure, first.terms, blinder("a"))
    rest = one.note_after(note)

    class Last:
        lots, cost, base, margin = rest.lots.value, rest.cost.value, rest.base.value, rest.margin.value
        factors = first.terms.profit()
        profit, remainder = divmod(factors.lots * lots + factors.cost * cost + factors.base * base, factors.divisor)
        available, payment, bad_debt = margin + profit, profit, 0

    two = settle(rest, one.pool_after, Last(), first.terms, blinder("b"))
    transactions = [prove(settlement, ENTROPY) for settlement in (one, two)]
    verify_batch(transactions)
    for tx in transactions:
        books.apply(tx)
    assert books.notes == {}
    assert books.pool == two.pool_after.commitment
    records = [first.opened.transaction(), more.transaction(), *transactions]
    verify_epoch(records, prove_epoch([first.opened, more, one, two], ENTROPY))


def test_the_books_refuse_another_pool_another_note_other_terms_and_a_repeat():
    close = CASES["loss"]()
    order, tx = close.opened.transaction(), prove(close.settle(), ENTROPY)
    stranger = open_note(close.opened.fill, 1001, 10**9, blinder("stranger")).transaction()
    elsewhere = case(29_111, side=-1).opened.transaction()

    def refused(pool, *records) -> str:
        books = PublicBooks(pool)
        for record in records[:-1]:
            books.apply(record)
        before = dict(books.notes), books.pool, set(books.seen)
        with pytest.raises(InvalidProof) as error:
            books.apply(records[-1])
        assert (books.notes, books.pool, books.seen) == before
        return error.value.code

    pool = POOL.commitment
    assert refused(stranger.commitments[0], order, tx) == "settlement.pool"
    assert refused(pool, stranger, tx) == "settlement.note"
    assert refused(pool, order, stranger, tx) == "settlement.note"
    assert refused(pool, tx) == "settlement.terms"
    assert refused(pool, elsewhere, tx) == "settlement.terms"
    assert refused(pool, order, elsewhere) == "settlement.terms"
    assert refused(pool, order, order) == "settlement.repeated"
    assert refused(pool, order, tx, tx) == "settlement.repeated"


def test_a_channels_chain_depends_on_every_settlement_and_their_order():
    a, b = b"a" * 32, b"b" * 32
    heads = {chain_next(chain_next(CHAIN_START, x), y) for x, y in ((a, b), (b, a), (a, a), (b, b))}
    assert len(heads) == 4


def test_a_binding_hides_its_channel_behind_the_salt():
    one = binding(b"c" * 16, 7, b"o" * 32, b"s" * 32)
    assert len(one) == len(BINDING)
    assert one not in {binding(b"c" * 16, 7, b"o" * 32, b"t" * 32), binding(b"c" * 16, 8, b"o" * 32, b"s" * 32)}
