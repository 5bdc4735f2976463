"""Lenders' moves: what they rule out, each lie by one clause or one range, and what a reader can follow of the pool."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lending_cases import ENTROPY, HELD, LENDER, MOVES, NETWORK, OPERATOR, OTHER, STATE, WORTH, World, terms
from settlement_cases import INVERSE, blinder

from fairway.crypto.pedersen import Opening
from fairway.errors import IllegalTransition, InvalidMessage, InvalidProof, Rejected
from fairway.settlement import lend_programs as programs
from fairway.settlement import worth as worths
from fairway.settlement.epoch import prove_epoch, verify_epoch
from fairway.settlement.lend import LendKind, LendStatement, names_of, ranged
from fairway.settlement.lending import Lending, LendTx, PoolState, initialise_pool, lend, redeem
from fairway.settlement.proof import prove, verify, verify_batch
from fairway.settlement.solvency import Balance, Solvency, SolvencyTerms, SolvencyTx, show_solvency
from fairway.settlement.values import LIMB
from fairway.settlement.wire import Reader
from fairway.units import FUNDING_SCALE
from fairway.zkvm import prover
from fairway.zkvm.assembler import parse
from fairway.zkvm.program import bind

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "zkos-lending.json").read_text())


@pytest.mark.parametrize("name", MOVES)
def test_every_move_proves_verifies_and_travels_as_bytes(name):
    move = MOVES[name]()
    tx = prove(move, ENTROPY)
    verify(tx)
    assert tx.txid == move.txid
    assert LendTx.decode(tx.encode()) == tx
    assert Lending.decode(move.encode()).txid == move.txid
    assert LendStatement.read(Reader(tx.statement.encode())) == tx.statement
    verify_epoch([tx], prove_epoch([move], ENTROPY))


@pytest.mark.parametrize("name", MOVES)
def test_a_move_has_the_bytes_that_were_recorded(name):
    move, recorded = MOVES[name](), VECTORS[name]
    assert move.statement.kind.name.lower() == recorded["kind"]
    assert move.statement.encode().hex() == recorded["statement"]
    assert programs.absorbed(move.statement).hex() == recorded["statement"] + recorded["program"]
    assert [point.hex() for point in move.commitments] == recorded["commitments"]
    assert move.txid.hex() == recorded["txid"]


def test_a_record_of_solvency_has_the_bytes_that_were_recorded():
    tx = busy().solvency().transaction()
    assert (tx.encode().hex(), tx.txid.hex()) == (VECTORS["solvency"]["record"], VECTORS["solvency"]["txid"])


def test_settlements_and_lenders_moves_verify_in_one_batch():
    world = busy()
    proven = [record for record in world.public if hasattr(record, "proof")]
    assert {type(record).__name__ for record in proven} == {"SettlementTx", "LendTx"}
    verify_batch(proven)
    spoilt = replace(proven[2], proof=proven[0].proof)
    with pytest.raises(InvalidProof) as refused:
        verify_batch([proven[0], spoilt])
    assert refused.value.facts["index"] == 1


def told(name: str, **changes: int) -> Lending:
    """The move of a case with `changes` added to some of its values, as a liar would commit to them."""
    honest = MOVES[name]()
    witness = dict(honest.witness())
    for key, change in changes.items():
        witness[key] = Opening(witness[key].value + change, witness[key].blinding)
    return Lending(honest.statement, tuple(witness[key] for key in names_of(honest.statement.kind)))


def proves_without(move: Lending, clause: str) -> bool:
    """Whether the program without `clause` (planted bug) can be proven; with "" nothing is removed."""
    clauses = programs.clauses_of(move.statement.kind)
    assert not clause or clause in clauses
    template = parse("".join(text for text in clauses if text != clause)).instructions
    bound = bind(template, programs.bindings_of(move.statement, move.commitments))
    try:
        prover.prove(bound, move.openings, b"", ENTROPY)
    except Rejected:
        return False
    return True


CLAUSE_LIES = {
    "first money that does not arrive": (lambda: told("initial", LS1=-1), programs.SEED_PAID),
    "first shares for nothing": (lambda: told("initial", T1=1), programs.SEED_COUNTED),
    "a deposit that does not arrive": (lambda: told("deposit", LS1=-1), programs.PAID_IN),
    "shares that nobody counts": (lambda: told("deposit", T1=-1), programs.COUNTED_IN),
    "a share more than the money buys": (lambda: told("deposit", Sh=1, T1=1), programs.SHARES),
    "a remainder of another size": (lambda: told("deposit", e=1), programs.SHARES),
    "a pool that keeps what it paid": (lambda: told("redeem", LS1=1), programs.PAID_OUT),
    "a pool that paid more": (lambda: told("redeem", LS1=-1), programs.PAID_OUT),
    "shares that stay after all": (lambda: told("redeem", T1=1), programs.COUNTED_OUT),
    "a nano more than the shares are worth": (lambda: told("redeem", W=1, LS1=-1), programs.WORTH),
    "income that does not arrive": (lambda: told("earn", LS1=-1), programs.PAID_IN),
    "income that makes a share": (lambda: told("earn", T1=1), programs.COUNTED_ON),
}


@pytest.mark.parametrize("name", CLAUSE_LIES)
def test_each_clause_rules_out_its_lie_and_nothing_else_does(name):
    lie, clause = CLAUSE_LIES[name]
    move = lie()
    assert not proves_without(move, "")
    assert proves_without(move, clause)
    with pytest.raises(Rejected):
        prove(move, ENTROPY)


def shifted(name: str, count: int) -> Lending:
    """`count` shares (or nano) too many, with the remainder and its limbs made to fit."""
    known = {key: opening.value for key, opening in MOVES[name]().witness().items()}
    deposit = "Dep" in known
    divisor = known["V"] if deposit else FUNDING_SCALE * known["T0"]
    remainder = known["e"] - count * divisor
    moved = {"Sh": count, "T1": count} if deposit else {"W": count, "LS1": -count}
    limbs = {"eh": remainder // LIMB - known["eh"], "gh": (divisor - 1 - remainder) // LIMB - known["gh"]}
    return told(name, e=-count * divisor, **moved, **limbs)


def negative(name: str) -> Lending:
    """A move of the opposite sign with every equation satisfied and the remainder in its bounds."""
    known = {key: opening.value for key, opening in MOVES[name]().witness().items()}
    deposit = "Dep" in known
    divisor = known["V"] if deposit else FUNDING_SCALE * known["T0"]
    put = -known["Dep" if deposit else "Sh"]
    got, remainder = divmod(put * (FUNDING_SCALE * known["T0"] if deposit else known["V"]), divisor)
    after = {"Dep": put, "Sh": got} if deposit else {"Sh": put, "W": got}
    paid, shares = (put, got) if deposit else (-got, -put)
    after |= {"LS1": known["LS0"] + paid, "T1": known["T0"] + shares, "e": remainder}
    after |= {"eh": remainder // LIMB, "gh": (divisor - 1 - remainder) // LIMB}
    return told(name, **{key: value - known[key] for key, value in after.items()})


def limbs(name: str, key: str) -> Lending:
    """The upper limb one too low, so that the lower one does not fit."""
    return told(name, **{key: -1})


def crowded() -> Lending:
    """A deposit into a pool with nearly as many shares as can be counted: made by hand, since we refuse to."""
    return lend(PoolState(STATE.lend_state, Opening(LIMB - 1, 1)), WORTH, 3, terms(), lambda name: 5)


def overdrawn() -> Lending:
    """More shares redeemed than the pool has, by a note that says it holds them."""
    pool = PoolState(STATE.lend_state, Opening(100, 1))
    honest = redeem(pool, WORTH, Opening(500, 2), 100, terms(), blinder("over"))
    known = {key: opening.value for key, opening in honest.witness().items()}
    divisor = FUNDING_SCALE * known["T0"]
    paid, remainder = divmod(101 * known["V"], divisor)
    after = {"Sh": 101, "W": paid, "LS1": known["LS0"] - paid, "T1": -1, "e": remainder}
    after |= {"eh": remainder // LIMB, "gh": (divisor - 1 - remainder) // LIMB}
    witness = {
        key: Opening(after.get(key, opening.value), opening.blinding) for key, opening in honest.witness().items()
    }
    return Lending(honest.statement, tuple(witness.values()))


def beyond_the_note() -> Lending:
    """A redemption of one share more than the lender's note holds."""
    honest = MOVES["redeem, all"]()
    less = {**honest.witness(), "H0": Opening(HELD.value - 1, 80)}
    return Lending(honest.statement, tuple(less.values()))


RANGE_LIES = {
    "a pool begun with nothing": (lambda: told("initial", Dep=-(10**12), LS1=-(10**12), T1=-(10**12)), "Dep-1"),
    "a deposit of less than nothing": (lambda: negative("deposit"), "Dep Sh"),
    "a share too many by a negative remainder": (lambda: shifted("deposit, wide", 1), "eh"),
    "a share too many, in the lower limb": (lambda: limbs("deposit, wide", "eh"), "el"),
    "a share too few by a large remainder": (lambda: shifted("deposit, wide", -1), "gh"),
    "a share too few, in the lower limb": (lambda: limbs("deposit, wide", "gh"), "gl"),
    "a redemption of less than nothing": (lambda: negative("redeem"), "W Sh"),
    "a nano too many by a negative remainder": (lambda: shifted("redeem, wide", 1), "eh"),
    "a nano too many, in the lower limb": (lambda: limbs("redeem, wide", "eh"), "el"),
    "a nano too few by a large remainder": (lambda: shifted("redeem, wide", -1), "gh"),
    "a nano too few, in the lower limb": (lambda: limbs("redeem, wide", "gh"), "gl"),
    "income of less than nothing": (lambda: told("earn", Dep=-(10**10), LS1=-(10**10)), "Dep"),
    "more shares than there are": (overdrawn, "T1"),
    "more shares than the lender has": (beyond_the_note, "H0-Sh"),
}  # fmt: skip
LABELS = {
    LendKind.INITIAL: ["Dep-1"],
    LendKind.EARN: ["Dep"],
    LendKind.DEPOSIT: ["Dep", "Sh", "T1", "eh", "el", "gh", "gl"],
    LendKind.REDEEM: ["W", "Sh", "T1", "eh", "el", "gh", "gl", "H0-Sh"],
}


@pytest.mark.parametrize("name", RANGE_LIES)
def test_each_range_rules_out_its_lie_and_the_program_alone_does_not(name):
    lie, broken = RANGE_LIES[name]
    move = lie()
    labels = LABELS[move.statement.kind]
    assert len(labels) == len(ranged(move.statement.kind))
    out = [label for label, opening in zip(labels, move.ranged(), strict=True) if not 0 <= opening.value < LIMB]
    assert out == broken.split()
    verify(prove(move, ENTROPY))
    with pytest.raises(Rejected):
        prove_epoch([move], ENTROPY)


def test_a_pool_never_counts_more_shares_than_fit():
    with pytest.raises(IllegalTransition):
        crowded()


FIELDS = {"network": 5, "at_ms": 4, "pool": b"q" * 32, "note": OTHER, "binding": b"c" * 32}


@pytest.mark.parametrize("name", ["initial", "deposit", "redeem", "earn"])
def test_a_proof_does_not_verify_under_another_statement_or_other_commitments(name):
    tx = prove(MOVES[name](), ENTROPY)
    for field, value in FIELDS.items():
        altered = replace(tx, statement=replace(tx.statement, **{field: value}))
        assert altered.txid != tx.txid
        with pytest.raises(InvalidProof):
            verify(altered)
    for i in range(len(tx.commitments) - 1):
        swapped = list(tx.commitments)
        swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
        if name == "initial" or set(names_of(tx.statement.kind)[i : i + 2]) & {"LS0", "LS1", "Sh", "V", "e"}:
            outcome = _verifies(replace(tx, commitments=tuple(swapped)))
            assert outcome == (names_of(tx.statement.kind)[i] in {"eh", "gh"})


def _verifies(tx: LendTx) -> bool:
    try:
        verify(tx)
    except InvalidProof:
        return False
    return True


def test_bytes_that_are_no_move_are_invalid():
    encoded = prove(MOVES["deposit"](), ENTROPY).encode()
    for wrong in (encoded[:-1], encoded + b"\0", b"x" + encoded[1:], encoded[:15] + b"\7" + encoded[16:]):
        with pytest.raises((InvalidMessage, InvalidProof)):
            LendTx.decode(wrong)
    with pytest.raises(InvalidProof):
        LendTx(MOVES["deposit"]().statement, (bytes(32),), b"")


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 2**62), st.integers(1, 2**62), st.integers(1, 2**90), st.integers(1, 2**61)
)  # fmt: skip
def test_rounding_is_never_for_the_lender_who_moves(pool_nano, shares, worth, deposit):
    pool, value = PoolState(Opening(pool_nano, 1), Opening(shares, 2)), Opening(worth, 3)
    try:
        bought = lend(pool, value, deposit, terms(), lambda name: 4)
    except (Rejected, IllegalTransition):
        return
    after = value + Opening(FUNDING_SCALE * deposit, 0)
    total = bought.pool_after.shares.value
    assert after.value * shares >= worth * total, "the others' shares are worth no less"
    if bought.pool_after.lend_state.value >= 2**63:
        return
    back = redeem(bought.pool_after, after, bought.moved, bought.moved.value, terms(), lambda name: 5)
    assert back.paid <= deposit
    left = after.value - FUNDING_SCALE * back.paid
    assert left * total >= after.value * back.pool_after.shares.value


@pytest.mark.parametrize("wish", [
    lambda: initialise_pool(0, terms(), lambda _: 1),
    lambda: lend(STATE, Opening(0, 1), 5, terms(), lambda _: 1),
    lambda: lend(STATE, WORTH, 0, terms(), lambda _: 1),
    lambda: lend(PoolState(STATE.lend_state, Opening(1, 1)), WORTH, 1, terms(), lambda _: 1),
    lambda: redeem(STATE, WORTH, HELD, HELD.value + 1, terms(), lambda _: 1),
    lambda: redeem(STATE, WORTH, HELD, 0, terms(), lambda _: 1),
    lambda: redeem(STATE, Opening(-1, 1), HELD, 1, terms(), lambda _: 1),
])  # fmt: skip
def test_a_wish_that_the_pool_cannot_fulfil_is_rejected(wish):
    with pytest.raises(Rejected):
        wish()


BUYER, SELLER, LATE = b"1" * 32, b"2" * 32, b"3" * 32


def busy() -> World:
    """A pool through lenders, fills in two payoffs, an increase, a partial close, and lenders again."""
    world = World()
    world.start(10**12)
    world.trade(BUYER, SELLER, 700, 30_007, index=5)
    world.lend(LENDER, 3 * 10**11 + 1)
    world.trade(BUYER, SELLER, 301, 31_111, index=-3)
    world.trade(LATE, b"4" * 32, 90, 30_000, contract=INVERSE, index=11)
    world.close(BUYER, 31_500, lots=400, index=10**6)
    world.open(b"5" * 32, 1, 400, 31_500, index=10**6)
    world.lend(OTHER, 10**10)
    world.close(b"4" * 32, 30_500, lots=40, index=10**6)
    world.open(b"6" * 32, -1, 40, 30_500, contract=INVERSE, index=10**6)
    world.redeem(LENDER, world.holdings[LENDER].value // 3)
    return world


def test_a_reader_follows_pool_shares_and_net_worth_from_commitments_alone():
    world = busy()
    assert world.books.pool == world.pool.lend_state.commitment
    assert world.books.shares == world.pool.shares.commitment
    assert world.books.worth == world.worth.commitment
    assert world.books.holdings == {name: held.commitment for name, held in world.holdings.items()}
    assert sum(held.value for held in world.holdings.values()) == world.pool.shares.value
    shown = world.solvency()
    world.publish(shown, shown.transaction())
    verify_epoch(world.public, prove_epoch(world.private, ENTROPY))


@pytest.mark.parametrize(("price", "index"), [(30_007, 0), (29_000, 12_345), (33_333, -(10**6))])
def test_net_worth_is_what_is_left_when_all_close_at_any_price(price, index):
    """NAV names no price, so every price leaves it, but for a nano of each floor, which the pool gains."""
    world = busy()
    before = world.worth.value
    count = len(world.notes)
    for name in list(world.notes):
        world.close(name, price, index=index)
    gained = FUNDING_SCALE * world.pool.lend_state.value - before
    assert 0 <= gained < FUNDING_SCALE * count
    assert world.books.lots == dict.fromkeys(world.books.lots, bytes(32))
    assert world.books.claims == bytes(32)


@pytest.mark.parametrize("wrong", [
    lambda side, inverse: ((side * FUNDING_SCALE, "C"), (-1, "K")),
    lambda side, inverse: (((-side if inverse else side) * FUNDING_SCALE, "C"), (1, "K")),
    lambda side, inverse: (((-side if inverse else side), "C"), (-1, "K")),
])  # fmt: skip
def test_a_net_worth_with_a_sign_or_a_scale_wrong_depends_on_the_price(monkeypatch, wrong):
    """The planted bug."""
    monkeypatch.setattr(worths, "part_of", lambda side, *, inverse: wrong(side, inverse))
    monkeypatch.setattr("fairway.settlement.chain.part_of", lambda side, *, inverse: wrong(side, inverse))
    with pytest.raises(AssertionError):
        test_net_worth_is_what_is_left_when_all_close_at_any_price(33_333, 10**9)


def refused(world: World, record) -> str:
    before = world.books.pool, world.books.shares, world.books.worth, dict(world.books.holdings), world.books.head
    with pytest.raises(InvalidProof) as error:
        world.books.apply(record)
    books = world.books
    assert (books.pool, books.shares, books.worth, books.holdings, books.head) == before
    return error.value.code


def test_the_books_refuse_a_move_on_another_pool_worth_or_note_and_a_second_beginning():
    world = busy()

    def tx(move) -> LendTx:
        return prove(move, ENTROPY)

    held, odd = world.holdings[LENDER], blinder("odd")
    stale = PoolState(Opening(1, 1), world.pool.shares)
    cheap = Opening(world.worth.value // 2, world.worth.blinding)
    assert refused(world, tx(lend(stale, world.worth, 10**6, terms(), odd))) == "settlement.pool"
    assert refused(world, tx(lend(world.pool, cheap, 10**6, terms(), odd))) == "settlement.worth"
    assert refused(world, tx(redeem(world.pool, WORTH, held, 5, terms(), odd))) == "settlement.worth"
    assert refused(world, tx(redeem(world.pool, world.worth, held, 5, terms(OTHER), odd))) == "settlement.shares"
    assert refused(world, tx(redeem(world.pool, world.worth, HELD, 5, terms(), odd))) == "settlement.shares"
    assert refused(world, tx(initialise_pool(5, terms(OPERATOR), odd))) == "settlement.pool"
    assert refused(world, world.public[-1]) == "settlement.repeated"


def test_solvency_is_of_the_books_at_their_head_with_every_market_balanced():
    world = busy()
    honest = world.solvency().transaction()
    assert SolvencyTx.decode(honest.encode()) == honest
    assert Solvency.decode(world.solvency().encode()).txid == honest.txid
    first, *others = honest.balances
    lies = {
        "settlement.head": replace(honest, terms=replace(honest.terms, head=bytes(32))),
        "settlement.worth": replace(honest, worth=world.pool.lend_state.commitment),
    }
    for code, lie in lies.items():
        assert refused(world, lie) == code
    for balances in ((), (first,), (replace(first, blinding=5), *others), (first, first, *others)):
        assert refused(world, replace(honest, balances=balances)) == "settlement.balance"
    world.publish(world.solvency(), honest)


def test_a_pool_that_owes_more_than_it_has_is_never_shown_solvent():
    world = World()
    world.start(10**6)
    world.trade(BUYER, SELLER, 700, 30_000)
    world.trade(BUYER, b"9" * 32, 700, 30_000)
    poor = Opening(-1, 5)
    with pytest.raises(Rejected):
        show_solvency(poor, [], world.solvency().terms, blinder("poor"))
    for high in (-1, 0):
        lie = Solvency(world.solvency().terms, (), poor, Opening(high, 1))
        with pytest.raises(Rejected):
            prove_epoch([lie], ENTROPY)


def test_a_market_out_of_balance_is_never_shown_solvent():
    world = World()
    world.start(10**12)
    world.trade(BUYER, SELLER, 700, 30_000)
    world.close(BUYER, 30_000)
    with pytest.raises(Rejected) as rejected:
        world.solvency()
    assert rejected.value.code == "settlement.balance"
    tx = SolvencyTx(
        show_solvency(Opening(1, 1), [], _solvency_terms(world), blinder("x")).terms,
        (Balance(NETWORK, 0, world.notes[SELLER].lots.blinding),),
        world.worth.commitment,
        bytes(32),
    )
    assert refused(world, tx) == "settlement.balance"


def _solvency_terms(world: World) -> SolvencyTerms:
    return SolvencyTerms(network=NETWORK, at_ms=9, pool=b"p" * 32, head=world.books.head)
