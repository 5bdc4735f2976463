"""`fairway zkvm`: write, read, check, prove and verify programs of the ZkVM.

A program is a file, `-` for standard input, or bytecode in hex. A file is in assembler, in the builder's calls, or hex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fairway.cli import zkvm_claim, zkvm_transaction
from fairway.cli.zkvm_source import Listing, content_of, hex_of, listing
from fairway.crypto.scalars import to_bytes
from fairway.errors import FairwayError, IllegalTransition, InvalidMessage, Unavailable
from fairway.zkvm import assembler, formula, program, tx, verifier
from fairway.zkvm.lint import lint as findings_in
from fairway.zkvm.op import Dialect
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import Type

__all__ = ["app"]

STANDARD = "-"
WIDTH = 56
NOT_ALONE = {"zkvm.dynamic", "zkvm.anchor", "zkvm.coin"}
"""Why a part of a transaction does not run without the rest of it."""
NOT_WITH_OTHER_BYTES = {
    "zkvm.false", "zkvm.range", "zkvm.output", "zkvm.call_proof", "zkvm.path", "zkvm.fee", "zkvm.opcode",
    "bincode.truncated", "schnorr.length", "zkvm.tag", "scalar.non_canonical",
}  # fmt: skip
"""Why a program with names does not run with other bytes in their places."""
DIGITS_BOUND = 80
MARKS = {Type.STRING: "s:", Type.VARIABLE: "v:", Type.PROGRAM: "p:"}
EXPLAINED = {
    "unused": "stands in no constraint",
    "unbounded": "is in no range: it may be negative modulo the group order",
    "cancels": "cancels out: every value of it but zero says the same",
}


class _Reporting(TyperGroup):
    """Tells an error of ours in one line, with the line of the program and the stable code, and fails."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except IllegalTransition:
            raise
        except FairwayError as error:
            typer.echo(f"error: {_told(error)}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="zkvm",
    cls=_Reporting,
    help="Programs of the ZkVM: write, read, check, prove, verify.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

Source = Annotated[str, typer.Argument(metavar="FILE|HEX", help="A file, - for standard input, or bytecode in hex.")]
Text = Annotated[str, typer.Argument(metavar="FILE", help="A file, or - for standard input.")]
InDialect = Annotated[Dialect, typer.Option("--dialect", help="Which numbering of opcodes, and which instructions.")]
Inputs = Annotated[
    str, typer.Option(metavar="NAME,NAME|COUNT", help="The strings that the program finds on its stack, bottom first.")
]


@app.command()
def asm(
    file: Text,
    dialect: InDialect = Dialect.ZKVM,
    bind: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A number, or bytes as 0x and hex; repeat it.")
    ] = None,
) -> None:
    """Print the bytecode of a program, in hex. A name that is pushed must be bound."""
    read = listing(file, dialect)
    if read.built:
        read.check()
    typer.echo(program.encode(_bound(read, dict(map(_binding, bind or ()))), dialect).hex())


@app.command()
def disasm(source: Source, dialect: InDialect = Dialect.ZKVM) -> None:
    """Print a program, one instruction a line."""
    typer.echo(assembler.render(listing(source, dialect).instructions))


@app.command()
def check(source: Source, dialect: InDialect = Dialect.ZKVM, inputs: Inputs = "") -> None:
    """Check a program by type, and say how large its proofs are."""
    read = listing(source, dialect, _inputs(inputs))
    read.check()
    typer.echo(f"well-typed    {len(read.instructions)} instructions")
    with suppress(InvalidMessage):  # a program that enters others: what they commit to is not listed
        committed = read.committed()
        typer.echo(f"committed     {' '.join(committed) or '-'}")
        typer.echo(f"cleartext     {' '.join(name for name in read.names if name not in committed) or '-'}")
    try:
        typer.echo(f"multipliers   {read.stand_in().tape.multipliers} before the gates of verify")
    except InvalidMessage as error:
        if error.code not in (NOT_ALONE | NOT_WITH_OTHER_BYTES if read.names else NOT_ALONE):
            raise
        typer.echo(f"not run       {error}")


@app.command()
def trace(source: Source, dialect: InDialect = Dialect.ZKVM, inputs: Inputs = "") -> None:
    """Show the stack after each instruction, top at the right: s: a string, v: a variable."""
    read = listing(source, dialect, _inputs(inputs))
    try:
        for index, (instruction, stack) in enumerate(formula.stacks(read.instructions, read.inputs)):
            place = read.lines[index] if read.lines else index
            items = " | ".join(MARKS.get(kind, "") + _short(text) for kind, text in stack)
            typer.echo(f"{place:>4}  {_short(assembler.render([instruction])):<16}  {items}".rstrip())
    except InvalidMessage:
        read.check()  # names the line
        typer.echo("   …  the rest is known only when it runs")
    read.check()


@app.command()
def formulas(source: Source, dialect: InDialect = Dialect.ZKVM, inputs: Inputs = "") -> None:
    """Write what a program demands as formulas, one line for each `verify` and `range`."""
    read = listing(source, dialect, _inputs(inputs))
    read.check()
    for line in formula.formulas(read.instructions, read.inputs):
        typer.echo(line)


@app.command()
def lint(source: Source, dialect: InDialect = Dialect.ZKVM, inputs: Inputs = "") -> None:
    """Name what a program leaves open; fails if it finds something."""
    read = listing(source, dialect, _inputs(inputs))
    read.check()
    findings = findings_in((*map(program.push, read.inputs), *read.instructions))
    for code, name in findings:
        typer.echo(f"{code:<10}  {name} {EXPLAINED[code]}")
    if findings:
        raise typer.Exit(1)


@app.command()
def prove(
    file: Text,
    witness: Annotated[str, typer.Option(help="Values and blindings: TOML or JSON, or - for standard input.")],
    output: Annotated[Path | None, typer.Option(help="Write the claim as JSON; - prints it.", dir_okay=False)] = None,
    dialect: InDialect = Dialect.ZKVM,
    script: Annotated[bool, typer.Option("--script", help="Bind the proof to its commitments only.")] = False,
) -> None:
    """Prove that a program holds for the values of a witness; print commitments and proof, or write them."""
    read = listing(file, dialect)
    claim = zkvm_claim.prove(read, zkvm_claim.read(witness, zkvm_claim.Witness), script=script)
    if str(output) == STANDARD:
        typer.echo(claim.encode(), nl=False)
        return
    for name, point in claim.commitments.items():
        typer.echo(f"{name:<12}  {point}")
    if output is None:
        typer.echo(f"{'proof':<12}  {claim.proof}")
        return
    try:
        output.write_text(claim.encode(), encoding="utf-8")
    except OSError as error:
        raise Unavailable("zkvm.file", f"cannot write {str(output)!r}: {error.strerror}") from None
    typer.echo(f"{'proof':<12}  {len(hex_of(claim.proof))} bytes, in {output}")


@app.command()
def verify(file: Text, dialect: InDialect = Dialect.ZKVM) -> None:
    """Verify a claim that `prove` wrote, and say what it is that holds."""
    claim = zkvm_claim.read(file, zkvm_claim.Claim)
    zkvm_claim.check(claim)
    instructions = zkvm_claim.instructions_of(claim)
    program.encode(_with_empty_names(instructions), dialect)
    _say_valid(instructions)
    for name, value in claim.scalars.items():
        typer.echo(f"{name:<12}  {value}")
    for name, point in claim.commitments.items():
        typer.echo(f"{name:<12}  {point}")
    mode = "script mode: bound to its commitments only" if claim.statement is None else repr(claim.statement)
    typer.echo(f"{'statement':<12}  {mode}")


@app.command("tx")
def transaction(source: Source, dialect: InDialect = Dialect.ZKOS) -> None:
    """Print a transaction and verify it: a script transaction of ZkOS, or with `--dialect zkvm` one of the ZkVM."""
    if dialect is Dialect.ZKVM:
        for line in zkvm_transaction.verified(hex_of(content_of(source))):
            typer.echo(line)
        return
    decoded = tx.decode(hex_of(content_of(source)))
    for line in zkvm_transaction.described(decoded):
        typer.echo(line)
    claim = tx.claim_of(decoded)
    names = [f"x{index}" for index in range(len(claim.inputs))]
    typer.echo("")
    typer.echo(assembler.render(claim.instructions))
    typer.echo("")
    verifier.verify(claim)
    _say_valid(claim.instructions, names)


def _say_valid(instructions: Sequence[Instruction], inputs: Sequence[str] = ()) -> None:
    try:
        lines = formula.formulas(instructions, inputs)
    except InvalidMessage as error:
        if error.code != "zkvm.dynamic":
            raise
        lines = ["its formulas are known only when it runs"]
    for index, line in enumerate(lines):
        typer.echo(f"{'' if index else 'valid':<12}  {line}")


def _told(error: FairwayError) -> str:
    """The error's sentence, its place, its code and its facts, all printable."""
    facts = {name: value.hex() if isinstance(value, bytes) else value for name, value in error.facts.items()}
    line, instruction = facts.pop("line", None), facts.pop("instruction", None)
    place = "" if instruction is None else f"instruction {instruction}: "
    place = place if line is None else f"line {line}: "
    rest = ", ".join(f"{name} {value!r}" for name, value in facts.items())
    text = f"{place}{error.message} [{error.code}]" + (f" ({rest})" if rest else "")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _inputs(text: str) -> tuple[str, ...]:
    """Names, or as many of them as a number says."""
    if text.isascii() and text.isdigit():
        if len(text) > 4 or int(text) > 1024:
            raise InvalidMessage("zkvm.inputs", "a program starts from at most 1024 strings")
        return tuple(f"x{index}" for index in range(int(text)))
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    if not all(name.isidentifier() for name in names):
        raise InvalidMessage("zkvm.inputs", "inputs are names with commas between them, or a number")
    return names


def _binding(text: str) -> tuple[str, bytes]:
    """A name, and the scalar or the bytes that it stands for."""
    name, _, value = text.partition("=")
    digits = value.removeprefix("-")
    if value.startswith("0x"):
        return name, hex_of(value)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_BOUND):
        raise InvalidMessage("zkvm.bind", "bind a name as NAME=number or NAME=0xhex", name=name)
    return name, to_bytes(int(value))


def _bound(read: Listing, values: Mapping[str, bytes]) -> tuple[Instruction, ...]:
    """The instructions with a value for every name."""
    if unknown := [name for name in values if name not in read.names]:
        raise InvalidMessage("zkvm.bind", "the program has no such name", name=unknown[0])
    for index, (_, operand) in enumerate(read.instructions):
        if isinstance(operand, str) and operand not in values:
            line = read.lines[index]
            raise InvalidMessage("zkvm.unbound", f"{operand} has no value: --bind {operand}=VALUE", line=line)
    return program.bind(read.instructions, values)


def _with_empty_names(template: Sequence[Instruction]) -> tuple[Instruction, ...]:
    return tuple(Instruction(op, b"" if isinstance(operand, str) else operand) for op, operand in template)


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
