"""Laws of the whole machine over programs nobody wrote: every instruction of both dialects, in a transaction or not."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairway.crypto.pedersen import Opening
from fairway.crypto.schnorr import verification_key
from fairway.errors import InvalidMessage, Rejected
from fairway.zkvm import checker, steps, transaction, verifier
from fairway.zkvm import contract as contracts
from fairway.zkvm.contract import Contract, String, Value, WideValue
from fairway.zkvm.op import BY_CODE, BY_NAME, Dialect, Operand, code_of
from fairway.zkvm.predicate import CallProof, PredicateTree, flavor
from fairway.zkvm.program import Instruction, encode, push
from fairway.zkvm.prover import Witness
from fairway.zkvm.txlog import Header
from fairway.zkvm.types import Type
from fairway.zkvm.vm import Machine, Surroundings
from fairway.zkvm.zkos import Coin

KEY = verification_key(7)
FLAVOR = flavor(KEY, b"gold")
Q, F = Opening(100, 11), Opening(FLAVOR, 0)
CODE = encode((Instruction(BY_NAME["drop"]),), Dialect.ZKVM)
TREE = PredicateTree((CODE,), b"k" * 32, KEY)
LOCKED = Contract(b"a" * 32, TREE.predicate, (String(b"gold"), Value(Q.commitment, F.commitment), String(b"tag")))
HEADER = Header(1, 5, 9)
COIN = Coin(b"c" * 32, b"d" * 32, "owner")
AROUND = [Surroundings(dialect, header, (COIN, None), (None, COIN)) for dialect in Dialect for header in (None, HEADER)]
STRINGS = [
    b"", b"gold", bytes(4), (3).to_bytes(32, "little"), KEY, Q.commitment, F.commitment, TREE.predicate,
    contracts.encode(LOCKED), contracts.encode(LOCKED)[:-1], TREE.call_proof(0).encode(), KEY + bytes(32), b"\xff" * 32,
]  # fmt: skip


def instruction(op):
    operands = {
        Operand.NONE: st.none(),
        Operand.INDEX: st.integers(0, 3),
        Operand.PAIR: st.tuples(st.integers(0, 2), st.integers(0, 2)),
        Operand.BYTES: st.sampled_from([*STRINGS, CODE]),
    }
    return operands[op.operand].map(lambda operand: Instruction(op, operand))


LOCKS = [push(contracts.encode(LOCKED)), Instruction(BY_NAME["input"])]
LOANS = [push(Q.commitment), Instruction(BY_NAME["commit"]), push(F.commitment), Instruction(BY_NAME["commit"]),
         Instruction(BY_NAME["borrow"])]  # fmt: skip
STARTS = st.sampled_from([[], LOCKS, LOANS, LOCKS + LOANS, [*LOCKS, Instruction(BY_NAME["signtx"])]])


def programs(dialect):
    known = list(BY_CODE[dialect].values())
    body = st.lists(
        st.one_of(st.sampled_from(known).flatmap(instruction), st.sampled_from(STRINGS).map(push)), max_size=16
    )
    return st.builds(lambda start, rest: tuple(start + rest), STARTS, body)


CASES = st.sampled_from(AROUND).flatmap(lambda around: st.tuples(st.just(around), programs(around.dialect)))


@settings(max_examples=400, deadline=None)
@given(CASES)
def test_no_program_raises_anything_but_an_invalid_message(case):
    around, program = case
    with suppress(InvalidMessage):
        verifier.verify(verifier.Claim(program, b"", bytes(417), (), around))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(list(Dialect)))
def test_no_bytes_in_a_transaction_raise_anything_but_an_invalid_message(code, dialect):
    with suppress(InvalidMessage):
        transaction.verify(transaction.Transaction(HEADER, code, bytes(64), bytes(417)), dialect)
    with suppress(InvalidMessage):
        transaction.verify(transaction.decode(code), dialect)
    with suppress(InvalidMessage):
        assert contracts.encode(contracts.decode(code)) == code
    with suppress(InvalidMessage):
        assert CallProof.decode(code).encode() == code


@settings(max_examples=150, deadline=None)
@given(CASES)
def test_the_prover_and_the_verifier_write_one_tape(case):
    around, program = case

    def tape(delegate):
        machine = Machine(delegate, (), around)
        try:
            return machine.finish(program).tape.encoded()
        except InvalidMessage as error:
            return error.code

    assert tape(Witness.of([Q, F], range(99))) == tape(verifier.Public())


TYPED = {
    "zkvm.type", "zkvm.underflow", "zkvm.not_copyable", "zkvm.not_droppable", "zkvm.not_portable", "zkvm.leftover",
    "zkvm.tag",
}  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(CASES)
def test_what_the_checker_passes_never_fails_for_a_type(case):
    around, program = case
    with suppress(InvalidMessage):
        checker.check(program, dialect=around.dialect)
        try:
            Machine(verifier.Public(), (), around).finish(program)
        except InvalidMessage as error:
            assert error.code not in TYPED  # noqa: PT017


LINEAR = Value | WideValue | Contract
TAKING = {"retire", "cloak", "output", "contract", "call", "signtx", "signid", "signtag"}


def linear_law(around, program) -> None:
    """No value, debt or contract lies on the stack twice, and none is gone but by what takes it."""
    machine = Machine(verifier.Public(), (), around)
    held: dict[int, object] = {}
    with suppress(InvalidMessage):
        for each in machine.flow(program):
            machine.step(each)
            found = [item for item in machine.stack if isinstance(item, LINEAR)]
            assert len({id(item) for item in found}) == len(found), "copied"
            now = {id(item): item for item in found}
            assert each.op.name in TAKING or held.keys() <= now.keys(), "dropped"
            held = now


@settings(max_examples=300, deadline=None)
@given(CASES)
def test_what_is_linear_is_never_copied_or_dropped(case):
    linear_law(*case)


@pytest.mark.parametrize(("rule", "op"), [("COPYABLE", "dup"), ("DROPPABLE", "drop")])
@pytest.mark.parametrize("start", [LOANS, LOCKS])
def test_the_law_catches_a_machine_that_copies_or_drops(monkeypatch, rule, op, start):
    """The planted bug."""
    program = (*start, Instruction(BY_NAME[op], 0 if op == "dup" else None))
    linear_law(AROUND[1], program)
    monkeypatch.setattr(steps, rule, frozenset(Type))
    with pytest.raises(AssertionError, match=r"copied|dropped"):
        linear_law(AROUND[1], program)


@settings(max_examples=60, deadline=None)
@given(st.integers(-3, 103), st.integers(-3, 103), st.booleans())
def test_a_split_can_be_proven_exactly_if_it_adds_up_and_nothing_is_negative(left, right, same):
    names = [Opening(left, 1), Opening(FLAVOR, 2), Opening(right, 3), Opening(FLAVOR if same else 5, 4)]
    program = [
        push(contracts.encode(Contract(b"a" * 32, KEY, (Value(Q.commitment, F.commitment),)))),
        *(Instruction(BY_NAME[name]) for name in ("input", "signtx")),
        *(push(each.commitment) for each in names),
        Instruction(BY_NAME["cloak"], (1, 2)),
        *(Instruction(BY_NAME["retire"]) for _ in range(2)),
    ]
    adds_up = left + right == 100 if same else (left == 100 and right == 0)
    try:
        built = transaction.build(program, HEADER, [Q, F, *names], bytes(32))
    except Rejected:
        assert not (adds_up and left >= 0 and right >= 0)
        return
    assert adds_up
    assert left >= 0
    assert right >= 0
    transaction.verify(transaction.sign(built, {KEY: 7}, bytes(32)))


def test_every_opcode_of_either_dialect_has_a_step():
    for dialect in Dialect:
        for code, op in BY_CODE[dialect].items():
            assert code_of(op, dialect) == code
            operand = {Operand.NONE: None, Operand.INDEX: 0, Operand.PAIR: (0, 0), Operand.BYTES: b""}[op.operand]
            with suppress(InvalidMessage):
                Machine(verifier.Public(), (), AROUND[1]).step(Instruction(op, operand))
