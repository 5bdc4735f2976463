"""The files around a proof: the prover's witness (TOML or JSON, secret) and the claim (JSON, public).

A claim is strict unless its statement is null: then the proof is bound to the program with all that is bound in it, and
to the statement; else it is in script mode, as the published machine makes them, and bound to its commitments only.
"""

from __future__ import annotations

import json
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from fairway.cli.zkvm_source import Listing, hex_of, read_text
from fairway.crypto.keys import derive_seed
from fairway.crypto.pedersen import Opening
from fairway.crypto.scalars import derive_scalar, from_bytes, to_bytes
from fairway.errors import InvalidMessage, Rejected
from fairway.zkvm import assembler, prover, verifier
from fairway.zkvm.program import Instruction, bind, digest

__all__ = ["Claim", "Witness", "check", "instructions_of", "prove", "read"]

DOMAIN = b"fairway.zkvm.claim.v1"
SEED_BYTES = 32

T = TypeVar("T", bound=msgspec.Struct)


class Witness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the prover knows. Secret: `values`, `blindings`, `wires`, `seed`.

    `values` are committed and `scalars` are cleartext; `blindings` are 32 bytes in hex, and those that are missing come
    from `seed` (32 bytes in hex) or, without one, are drawn afresh. `wires` are what each `alloc` is worth.
    """

    values: dict[str, int] = {}
    scalars: dict[str, int] = {}
    blindings: dict[str, str] = {}
    wires: list[int] = []
    seed: str | None = None
    statement: str = ""


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program, what its names stand for, and the proof that it holds; all public."""

    program: list[str]
    scalars: dict[str, int]
    commitments: dict[str, str]
    statement: str | None
    proof: str

    def encode(self) -> str:
        """The claim as JSON."""
        return json.dumps(msgspec.to_builtins(self), indent=2, ensure_ascii=False) + "\n"


def read(name: str, kind: type[T]) -> T:
    """The witness or claim in a file: JSON if it begins with a brace, else TOML. Errors: `InvalidMessage`."""
    text = read_text(name)
    try:
        content: Any = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        return msgspec.convert(content, kind)
    except RecursionError:
        raise InvalidMessage("zkvm.format", "the file is nested too deeply") from None
    except (ValueError, msgspec.ValidationError) as error:
        raise InvalidMessage("zkvm.format", f"the file is no {kind.__name__.lower()}: {error}") from None


def prove(program: Listing, witness: Witness, *, script: bool) -> Claim:
    """The claim, with its proof, that `program` holds for what `witness` knows. Secret: `witness`.

    Errors: `InvalidMessage`, or `Rejected` if the values do not satisfy the program.
    """
    program.check()
    _named(program, witness)
    seed = _seed(witness)
    openings = {name: Opening(value, _blinding(name, value, witness, seed)) for name, value in witness.values.items()}
    commitments = {name: opening.commitment for name, opening in openings.items()}
    bound = bind(program.instructions, commitments | _encoded(witness.scalars))
    statement = None if script else witness.statement
    entropy = derive_seed(seed, "zkvm.claim")
    proof = prover.prove(bound, openings.values(), _absorbed(bound, statement), entropy, wires=witness.wires)
    return Claim(
        assembler.render(program.instructions).split("\n"),
        witness.scalars,
        {name: point.hex() for name, point in commitments.items()},
        statement,
        proof.hex(),
    )


def check(claim: Claim) -> None:
    """Refuse a claim that does not hold. Errors: `InvalidProof`, `InvalidMessage`."""
    instructions = instructions_of(claim)
    names = {operand for _, operand in instructions if isinstance(operand, str)}
    if claim.scalars.keys() & claim.commitments.keys():
        raise InvalidMessage("zkvm.claim", "a name is both a scalar and a commitment")
    if others := (claim.scalars.keys() | claim.commitments.keys()) - names:
        raise InvalidMessage("zkvm.claim", "the program has no such name", name=min(others))
    commitments = {name: hex_of(point) for name, point in claim.commitments.items()}
    bound = bind(instructions, commitments | _encoded(claim.scalars))
    verifier.verify(verifier.Claim(bound, _absorbed(bound, claim.statement), hex_of(claim.proof)))


def instructions_of(claim: Claim) -> tuple[Instruction, ...]:
    """The claim's program, its names unbound. Errors: `InvalidMessage` with the line."""
    return assembler.parse("\n".join(claim.program)).instructions


def _absorbed(bound: Sequence[Instruction], statement: str | None) -> bytes | None:
    """The strict statement: the digest covers the program, every cleartext and every commitment."""
    return None if statement is None else DOMAIN + digest(bound) + statement.encode()


def _encoded(scalars: Mapping[str, int]) -> dict[str, bytes]:
    return {name: to_bytes(value) for name, value in scalars.items()}


def _named(program: Listing, witness: Witness) -> None:
    """Every name of the program has its value, in its place, and nothing else has one."""
    committed = set(program.committed())
    for name in program.names:
        place = "values" if name in committed else "scalars"
        if name not in (witness.values if place == "values" else witness.scalars):
            raise InvalidMessage("zkvm.witness", f"{name} has no number under {place}", name=name)
    wanted = committed.intersection(program.names)
    others = [name for name in witness.values if name not in wanted]
    others += [name for name in witness.scalars if name not in program.names or name in wanted]
    others += [name for name in witness.blindings if name not in wanted]
    if others:
        raise InvalidMessage("zkvm.witness", "the program has no such name in this place", name=others[0])


def _seed(witness: Witness) -> bytes:
    if witness.seed is None:
        return secrets.token_bytes(SEED_BYTES)
    seed = hex_of(witness.seed)
    if len(seed) != SEED_BYTES:
        raise Rejected("zkvm.seed", "a seed has 32 bytes", length=len(seed))
    return seed


def _blinding(name: str, value: int, witness: Witness, seed: bytes) -> int:
    """The blinding of one name; from a seed it depends on the value, so that no two values share one."""
    if name in witness.blindings:
        return from_bytes(hex_of(witness.blindings[name]))
    return derive_scalar(seed, DOMAIN, name.encode(), to_bytes(value))
