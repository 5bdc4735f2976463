"""Whatever is typed: programs are read or refused with a code, and what is written of them follows the types."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from fairway.cli.zkvm_source import listing
from fairway.errors import InvalidMessage, Unavailable
from fairway.zkvm.assembler import parse, render
from fairway.zkvm.checker import infer
from fairway.zkvm.formula import formulas, stacks
from fairway.zkvm.lint import lint
from fairway.zkvm.op import OPS, Dialect, Operand
from fairway.zkvm.program import Instruction, decode, encode, push

PUSHES = st.sampled_from([push("a"), push("b"), push(b""), push(bytes(32)), push(b"\1" + bytes(31))])
INDICES = st.integers(0, 3)


def instruction(op):
    operands = {
        Operand.NONE: st.none(),
        Operand.INDEX: INDICES,
        Operand.PAIR: st.tuples(INDICES, INDICES),
        Operand.BYTES: st.binary(max_size=3),
    }
    return operands[op.operand].map(lambda operand: Instruction(op, operand))


INSTRUCTIONS = st.one_of(PUSHES, PUSHES, st.sampled_from(OPS).flatmap(instruction))


@st.composite
def well_typed(draw):
    """A program that type-checks, whatever it leaves: each instruction that would not is left out."""
    program, types = [], ()
    for each in draw(st.lists(INSTRUCTIONS, max_size=80)):
        with suppress(InvalidMessage):
            types = infer([each], types)
            program.append(each)
    return program


@settings(max_examples=150, deadline=None)
@given(well_typed())
def test_what_type_checks_can_be_written_and_its_stack_has_the_types_of_the_checker(program):
    shown = list(stacks(program))
    assert [each for each, _ in shown] == program
    if shown:
        assert tuple(kind for kind, _ in shown[-1][1]) == infer(program)
    demands = sum(each.op.name in {"verify", "range"} for each in program)
    assert len(formulas(program)) == demands
    with suppress(InvalidMessage):
        lint(program)


@settings(max_examples=150, deadline=None)
@given(st.lists(INSTRUCTIONS, max_size=20))
def test_a_program_as_text_and_as_bytes_reads_back_to_itself(program):
    assert list(parse(render(program)).instructions) == program
    for dialect in Dialect:
        with suppress(InvalidMessage):
            assert list(decode(encode(program, dialect), dialect)) == program


WORDS = st.sampled_from([*(op.name for op in OPS), "push:1:00", "push:X", "dup:0", ".push(X)", ".var()", "p", ".", "#"])


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=12).map("\n".join)), st.sampled_from(Dialect))
def test_any_text_is_read_or_refused(tmp_path_factory, text, dialect):
    path = tmp_path_factory.getbasetemp() / "typed.zk"
    path.write_text(text, encoding="utf-8", errors="replace")
    with suppress(InvalidMessage):
        read = listing(str(path), dialect)
        read.check()
        read.committed()
        read.stand_in()
    with suppress(InvalidMessage, Unavailable):
        listing(text, dialect)
