"""Laws of the machine over programs nobody wrote: any bytes, any sequence of instructions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairway.errors import InvalidMessage
from fairway.zkvm import builder, checker, verifier
from fairway.zkvm.assembler import parse, render
from fairway.zkvm.op import BY_NAME, Dialect
from fairway.zkvm.program import Instruction, decode, encode
from fairway.zkvm.types import type_of
from fairway.zkvm.vm import Machine

SCALAR = (5).to_bytes(32, "little")
PLAIN = ("drop", "scalar", "commit", "alloc", "expr", "neg", "add", "mul", "eq", "range", "and", "or", "not", "verify")

instructions = st.one_of(
    st.sampled_from([Instruction(BY_NAME[name]) for name in PLAIN]),
    st.builds(Instruction, st.sampled_from([BY_NAME["dup"], BY_NAME["roll"]]), st.integers(0, 3)),
    st.builds(Instruction, st.just(BY_NAME["push"]), st.sampled_from([SCALAR, b"", b"\x01" * 32])),
    st.builds(Instruction, st.just(BY_NAME["program"]), st.binary(max_size=3)),
)
programs = st.lists(instructions, max_size=24).map(tuple)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(list(Dialect)))
def test_any_bytes_decode_to_what_encodes_to_them_or_are_invalid(code, dialect):
    try:
        decoded = decode(code, dialect)
    except InvalidMessage:
        return
    assert encode(decoded, dialect) == code
    assert parse(render(decoded)).instructions == decoded


@settings(max_examples=300, deadline=None)
@given(programs)
def test_any_program_runs_to_a_circuit_or_is_invalid(program):
    try:
        verifier.circuit_of(program)
    except InvalidMessage:
        return
    checker.check(program)


@settings(max_examples=300, deadline=None)
@given(programs)
def test_the_checker_and_the_machine_agree_on_every_type_while_it_runs(program):
    machine = Machine(verifier.Public())
    for done, instruction in enumerate(program, start=1):
        try:
            machine.step(instruction)
        except InvalidMessage as error:
            if error.code in {"zkvm.type", "zkvm.underflow", "zkvm.not_copyable", "zkvm.not_droppable"}:
                with pytest.raises(InvalidMessage) as refused:
                    checker.infer(program[:done])
                assert refused.value.code == error.code  # noqa: PT017
            return
        assert checker.infer(program[:done]) == tuple(type_of(item) for item in machine.stack)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=".pushvarexonl:0123()r# \nCommitment:blinded", max_size=80))
def test_any_text_is_a_program_or_is_invalid(text):
    for reader in (builder.build, parse):
        try:
            reader(text)
        except InvalidMessage:
            continue
