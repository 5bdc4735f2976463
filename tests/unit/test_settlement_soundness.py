"""What a settlement rules out. Each lie breaks one clause or one range, and passes once exactly that one is removed."""

from dataclasses import replace

import pytest
from settlement_cases import CASES, ENTROPY, INVERSE, case

from fairway.crypto.pedersen import Opening
from fairway.crypto.scalars import ORDER
from fairway.errors import InvalidMessage, InvalidProof, Rejected
from fairway.settlement import epoch, programs
from fairway.settlement.epoch import EpochProof, prove_epoch, verify_epoch
from fairway.settlement.proof import prove, verify
from fairway.settlement.settlement import Settlement, SettlementTx
from fairway.settlement.statement import Cause, Kind
from fairway.settlement.values import BASE_MIDDLE, LIMB, names_of, ranged, shortfall
from fairway.zkvm import prover
from fairway.zkvm.assembler import parse
from fairway.zkvm.program import bind


def told(name, *, kind=None, statement=None, **changes) -> Settlement:
    """The settlement of a case with `changes` (nano added) to some of its values, as a liar would commit to them."""
    honest = CASES[name]().settle()
    public = statement or honest.statement
    public = replace(public, kind=kind) if kind is not None else public
    witness = dict(honest.witness())
    for key, change in changes.items():
        value = witness[key].value if key in witness else 0
        witness[key] = Opening(value + change, witness[key].blinding if key in witness else 99)
    return Settlement(public, tuple(witness[key] for key in names_of(public)))


def proves_without(settlement: Settlement, clause: str) -> bool:
    """Whether the program without `clause` (planted bug) can be proven; with "" nothing is removed."""
    clauses = programs.clauses_of(settlement.statement)
    assert not clause or clause in clauses
    template = parse("".join(text for text in clauses if text != clause)).instructions
    names = programs.bindings_of(settlement.statement, settlement.commitments)
    bystanders = [Opening(1, 1)]
    wires = _limbs(settlement) if settlement.statement.cause is Cause.LIQUIDATION else ()
    try:
        prover.prove(bind(template, names), (*settlement.openings, *bystanders), b"", ENTROPY, wires=wires)
    except Rejected:
        return False
    return True


def _limbs(settlement: Settlement) -> list[int]:
    w = shortfall(settlement.statement, {key: opening.value for key, opening in settlement.witness().items()}) % ORDER
    return [w % LIMB, w // LIMB % LIMB, w // LIMB**2]


GAIN, LOSS, LIQUIDATED = programs.GAIN, programs.LOSS, programs.LIQUIDATED
PROFIT, WITH_DEBT = programs.PROFIT.format(debt=""), programs.PROFIT.format(debt=programs.DEBT)
CONDITION = programs.CONDITION.format(before="0")


def healthy() -> Settlement:
    """A liquidation at a mark that leaves the position well above its maintenance."""
    honest = CASES["liquidation"]().settle()
    return Settlement(replace(honest.statement, mark_price=30_500), honest.openings)


CLAUSE_LIES = {
    "more profit than the price gives": (lambda: told("gain", AM=1, P=1, LS1=-1), PROFIT),
    "less loss than the price takes": (lambda: told("loss, whole", AM=1, P=-1, LS1=-1), PROFIT),
    "a remainder that does not fit": (lambda: told("inverse gain", e=1), PROFIT),
    "a gain that the pool does not pay": (lambda: told("gain", LS1=1), GAIN),
    "a gain of more than the payment": (lambda: told("gain", P=-1, LS1=1), GAIN),
    "a loss that the pool does not get": (lambda: told("loss", LS1=-1), LOSS),
    "a liquidation that keeps some": (lambda: told("liquidation", LS1=-1), LIQUIDATED),
    "a debt while margin is left": (lambda: told("bankrupt", AM=5, P=-5, LS1=-5, b=5), programs.NOTHING_LEFT),
    "a debt while the rest has margin": (lambda: told("bankrupt", IM=-7, P=-7, LS1=-7, b=7), programs.ALL_MARGIN),
    "a healthy position liquidated": (healthy, CONDITION),
    "lots that leave with too much cost": (lambda: told("gain", C=1, AM=-1, P=-1, LS1=1), programs.PROPORTION),
    "a funding base of another size": (lambda: told("gain", K=1, e=1), programs.PROPORTION),
    "an inverse cost out of proportion": (
        lambda: told("inverse short gain", C=1, AM=-1, P=-1, LS1=1), programs.PROPORTION,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAUSE_LIES)
def test_each_clause_rules_out_its_lie_and_nothing_else_does(name):
    lie, clause = CLAUSE_LIES[name]
    settlement = lie()
    assert not proves_without(settlement, "")
    assert proves_without(settlement, clause)
    with pytest.raises(Rejected):
        prove(settlement, ENTROPY)


def divisor(name: str) -> int:
    return CASES[name]().terms.profit().divisor


def debt_of(name: str) -> int:
    return CASES[name]().closure.bad_debt


def left_of(name: str) -> int:
    return CASES[name]().closure.available


def proportional(lots: int) -> Settlement:
    """The close of exactly proportional `lots` that the note does not have, with every equation satisfied."""
    before = {name: opening.value for name, opening in CASES["gain"]().settle().witness().items()}
    times = lots // before["Q0"]
    factors = CASES["gain"]().terms.profit()
    after = {"Q": lots, "C": times * before["C0"], "K": times * before["K0"], "eC": 0, "eK": 0}
    outcome = factors.lots * lots + factors.cost * after["C"] + factors.base * after["K"]
    profit, after["e"] = divmod(outcome, factors.divisor)
    after |= {"AM": before["IM"] + profit, "P": profit, "LS1": before["LS0"] - profit}
    after |= {"high": (after["K"] + BASE_MIDDLE) // LIMB, "low": (after["K"] + BASE_MIDDLE) % LIMB}
    return told("gain", **{name: value - before[name] for name, value in after.items()})


def lots_of(name: str) -> int:
    return CASES[name]().note.lots.value


RANGE_LIES = {
    "a loss dressed as a gain": (
        lambda: told("loss", kind=Kind.GAIN, P=-2 * CASES["loss"]().closure.payment), "P",
    ),
    "a debt kept secret as negative margin": (
        lambda: told("bankrupt by trade", kind=Kind.LOSS, AM=-(d := debt_of("bankrupt by trade")), P=d, LS1=d),
        "AM",
    ),
    "more lots than the note has": (lambda: proportional(2 * lots_of("gain")), "Q0-Q"),
    "a close of negative lots": (lambda: proportional(-lots_of("gain")), "Q C"),
    "a nano more by a negative remainder": (lambda: told("gain", AM=1, P=1, LS1=-1, e=-divisor("gain")), "e"),
    "a nano less by a large remainder": (lambda: told("gain", AM=-1, P=-1, LS1=1, e=divisor("gain")), "D-e"),
    "an equity taken as a negative debt": (
        lambda: told("loss, whole", kind=Kind.BANKRUPT, AM=-(a := left_of("loss, whole")), P=a, LS1=a, b=-a, cover=0),
        "b",
    ),
    "cover beyond the debt": (lambda: told("bankrupt", cover=10**12), "b-cover"),
    "cover taken out of the pool": (lambda: told("bankrupt", cover=-1000), "cover"),
    "a nano of cost too few": (
        lambda: told("gain", C=-1, eC=lots_of("gain"), AM=1, P=1, LS1=-1), "Q0-eC",
    ),
    "a nano of cost too many": (lambda: told("gain", C=1, eC=-lots_of("gain"), AM=-1, P=-1, LS1=1), "eC"),
    "a base rounded too low": (lambda: told("gain", K=-1, low=-1, eK=lots_of("gain"), e=-1), "Q0-eK"),
    "a base rounded too high": (lambda: told("gain", K=1, low=1, eK=-lots_of("gain"), e=1), "eK"),
    "margin taken beyond the note": (
        lambda: told("gain", IM=10**9, AM=10**9), "IM0-IM",
    ),
    "margin put into the rest": (lambda: told("loss", IM=-(10**9), AM=-(10**9)), "AM IM"),
}  # fmt: skip

LABELS = ["P", "AM", "e", "D-e"]
DEBT_LABELS = ["b", "cover", "b-cover"]
PARTIAL_LABELS = ["Q", "IM", "C", "eC", "eK", "low", "high", "Q0-Q", "IM0-IM", "Q0-eC", "Q0-eK"]


def labels_of(settlement: Settlement) -> list[str]:
    debt = DEBT_LABELS if settlement.kind is Kind.BANKRUPT else []
    labels = LABELS + debt + (PARTIAL_LABELS if settlement.statement.partial else [])
    assert len(labels) == len(ranged(settlement.statement))
    return labels


@pytest.mark.parametrize("name", RANGE_LIES)
def test_each_range_rules_out_its_lie_and_the_program_alone_does_not(name):
    lie, broken = RANGE_LIES[name]
    settlement = lie()
    out = [
        label
        for label, opening in zip(labels_of(settlement), settlement.ranged(), strict=True)
        if not 0 <= opening.value < LIMB
    ]
    assert set(broken.split()) <= set(out)
    verify(prove(settlement, ENTROPY))
    with pytest.raises(Rejected):
        prove_epoch([settlement], ENTROPY)


def test_ranges_of_honest_values_do_not_serve_a_lie():
    """A forger who skips our own check and proves the ranges of other values gets no epoch."""
    lie, _ = RANGE_LIES["a loss dressed as a gain"]
    settlement = lie()
    honest = CASES["loss"]().settle()
    identity = epoch.digest([settlement.txid])
    forged = EpochProof(
        tuple(
            epoch.prove_group(identity, i, [Opening(o.value % 2, o.blinding) for o in group], ENTROPY)
            for i, group in enumerate(epoch.groups([settlement]))
        )
    )
    for proof in (forged, prove_epoch([honest], ENTROPY)):
        with pytest.raises(InvalidProof):
            verify_epoch([prove(settlement, ENTROPY)], proof)


FIELDS = {
    "network": -3, "market": 4, "unit": 1001, "side": -1, "cause": Cause.DELEVERAGE, "settlement_price": 31_112,
    "mark_price": 31_112, "funding_index": 0, "at_ms": 3, "note": b"m" * 32, "binding": b"c" * 32, "kind": Kind.LOSS,
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_proof_does_not_verify_under_another_statement(field):
    tx = prove(CASES["gain"]().settle(), ENTROPY)
    altered = replace(tx, statement=replace(tx.statement, **{field: FIELDS[field]}))
    assert altered.txid != tx.txid
    with pytest.raises(InvalidProof):
        verify(altered)


def test_the_bracket_of_a_liquidation_is_part_of_what_is_proven():
    tx = prove(CASES["liquidation, whole"]().settle(), ENTROPY)
    for change in ({"liquidation_price": 1}, {"maintenance": 25_001}, {"deduction": 1}):
        with pytest.raises(InvalidProof):
            verify(replace(tx, statement=replace(tx.statement, **change)))


def test_no_two_commitments_of_a_settlement_can_be_exchanged():
    tx = prove(CASES["gain, whole"]().settle(), ENTROPY)
    for i in range(len(tx.commitments) - 1):
        swapped = list(tx.commitments)
        swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
        with pytest.raises(InvalidProof):
            verify(SettlementTx(tx.statement, tuple(swapped), tx.proof))


def test_no_byte_of_a_proof_can_be_changed():
    tx = prove(CASES["gain, whole"]().settle(), ENTROPY)
    for index in range(len(tx.proof)):
        mutated = bytearray(tx.proof)
        mutated[index] ^= 1 << index % 8
        with pytest.raises((InvalidProof, InvalidMessage)):
            verify(SettlementTx(tx.statement, tx.commitments, bytes(mutated)))


def test_an_epoch_is_bound_to_its_records_and_their_order():
    one, two = CASES["gain, whole"]().settle(), CASES["loss, whole"]().settle()
    records = [SettlementTx(each.statement, each.commitments, b"") for each in (one, two)]
    proof = prove_epoch([one, two], ENTROPY)
    verify_epoch(records, proof)
    for wrong in (records[::-1], records[:1], [records[0], records[0]]):
        with pytest.raises(InvalidProof):
            verify_epoch(wrong, proof)
    with pytest.raises(InvalidProof):
        verify_epoch(records, EpochProof((*proof.proofs, proof.proofs[0])))


@pytest.mark.parametrize("change", [{"C": 1}, {"C": -1}, {"Q": -(10**6)}, {"IM": -(10**10)}])
def test_an_order_with_a_cost_that_its_price_does_not_give_is_never_ranged(change):
    opened = case(31_111, contract=INVERSE).opened
    values = opened.witness()
    lie = replace(opened, openings=tuple(
        Opening(opening.value + change.get(name, 0), opening.blinding) for name, opening in values.items()
    ))  # fmt: skip
    prove_epoch([opened], ENTROPY)
    with pytest.raises(Rejected):
        prove_epoch([lie], ENTROPY)


def test_terms_that_contradict_themselves_are_invalid():
    honest = CASES["gain"]().settle().statement
    for change in (
        {"side": 0}, {"settlement_price": 0}, {"unit": 0}, {"maintenance": 1}, {"liquidation_price": 1},
        {"kind": Kind.LIQUIDATION}, {"cause": Cause.LIQUIDATION}, {"funding_index": 1 << 64},
    ):  # fmt: skip
        with pytest.raises(InvalidMessage):
            replace(honest, **change)
