"""The machine's state: the stack, what it has written so far, and the budgets that bound it.

What happens around a program (`Surroundings`) is public; the delegate is the one thing that prover and verifier do
differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from fairway.crypto.r1cs import Tape
from fairway.crypto.relations import Relation
from fairway.errors import InvalidMessage
from fairway.zkvm.constraint import Constraint, Expression
from fairway.zkvm.contract import Contract, Portable, Value, encode
from fairway.zkvm.op import Dialect
from fairway.zkvm.program import Instruction, decode
from fairway.zkvm.txlog import Entry, Header, Log
from fairway.zkvm.types import Item, Program, String, Variable, type_of
from fairway.zkvm.zkos import Coin

__all__ = ["ALONE", "INSTRUCTION_BOUND", "STACK_BOUND", "Circuit", "Delegate", "State", "Surroundings"]

INSTRUCTION_BOUND = 4096
STACK_BOUND = 1024
HASH_BOUND = 1 << 19
HASH_COST = 256

T = TypeVar("T", String, Program, Variable, Expression, Constraint, Value, Contract)


class Delegate(Protocol):
    """What prover and verifier answer differently."""

    def allocate(self) -> int | None:
        """The value of the next allocated wire; None where the machine only verifies."""

    def value_of(self, commitment: bytes) -> int | None:
        """What a commitment opens to; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a program runs: its dialect, the transaction's header (None: there is no transaction), ZkOS's coins."""

    dialect: Dialect = Dialect.ZKVM
    header: Header | None = None
    coins_in: tuple[Coin | None, ...] = ()
    coins_out: tuple[Coin | None, ...] = ()


ALONE = Surroundings()
"""Script mode: a program with nothing around it."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What a program says about committed values, and the relations of public points that it defers."""

    tape: Tape
    commitments: tuple[bytes, ...]
    relations: tuple[Relation, ...] = ()


class State:
    """A stack, the tape written so far, the commitments met so far, and the effects on the world."""

    __slots__ = (
        "_commitments",
        "_frames",
        "_hashed",
        "_left",
        "anchor",
        "around",
        "delegate",
        "fee",
        "log",
        "relations",
        "signers",
        "stack",
        "tape",
    )

    def __init__(self, delegate: Delegate, inputs: Sequence[Item] = (), around: Surroundings = ALONE) -> None:
        self.stack: list[Item] = list(inputs)
        self.tape = Tape()
        self.delegate = delegate
        self.around = around
        self.relations: list[Relation] = []
        self.signers: list[tuple[bytes, bytes]] = []
        self.log: list[Entry] = []
        self.anchor: bytes | None = None
        self.fee = 0
        self._commitments: dict[bytes, int] = {}
        self._frames: list[Iterator[Instruction]] = []
        self._left = INSTRUCTION_BOUND
        self._hashed = 0

    def flow(self, instructions: Sequence[Instruction]) -> Iterator[Instruction]:
        """The instructions in the order they run: a program that one of them enters comes before the next.

        Errors: `InvalidMessage` beyond 4096 instructions, all programs together.
        """
        self._enter(instructions)
        while self._frames:
            instruction = next(self._frames[-1], None)
            if instruction is None:
                self._frames.pop()
            else:
                yield instruction

    def enter(self, program: Program) -> None:
        """Run `program` next. Errors: `InvalidMessage` for bytes that are none, or beyond 4096 instructions."""
        self._enter(decode(program.code, self.around.dialect))

    def circuit(self) -> Circuit:
        """What was built. Errors: `InvalidMessage` if the stack is not empty."""
        if self.stack:
            raise InvalidMessage("zkvm.leftover", "the program leaves items on the stack", count=len(self.stack))
        return Circuit(self.tape, tuple(self._commitments), tuple(self.relations))

    def push(self, item: Item) -> None:
        """Put an item on top."""
        self.stack.append(item)

    def pop(self, kind: type[T]) -> T:
        """The top of the stack, which must be of that type."""
        item = self.pop_any()
        if type(item) is not kind:
            raise InvalidMessage("zkvm.type", f"wanted {kind.__name__}, found {type_of(item).value}")
        return item

    def pop_any(self) -> Item:
        """The top of the stack."""
        if not self.stack:
            raise InvalidMessage("zkvm.underflow", "the stack has too few items", size=0)
        return self.stack.pop()

    def at(self, k: int) -> Item:
        """The item `k` below the top."""
        if k >= len(self.stack):
            raise InvalidMessage("zkvm.underflow", "the stack has too few items", depth=k, size=len(self.stack))
        return self.stack[-k - 1]

    def absorb(self, commitment: bytes) -> Expression:
        """A fresh variable for a commitment: one that is named twice is absorbed twice."""
        index = self._commitments.setdefault(commitment, len(self._commitments))
        return Expression(((self.tape.commit(index), 1),))

    def allocate(self) -> Expression:
        """A fresh wire that no commitment stands for."""
        return Expression(((self.tape.alloc(self.delegate.allocate()), 1),))

    def header(self) -> Header:
        """The transaction's header. Errors: `InvalidMessage` where there is no transaction."""
        if self.around.header is None:
            raise InvalidMessage("zkvm.no_transaction", "the instruction needs a transaction around it")
        return self.around.header

    def charge(self, length: int, times: int = 1) -> None:
        """Count bytes that are hashed: a string that is copied may be hashed many times.

        Errors: `InvalidMessage` beyond 512 KiB, at 256 bytes a hash beside what it hashes.
        """
        self._hashed += length + times * HASH_COST
        if self._hashed > HASH_BOUND:
            raise InvalidMessage("zkvm.hash_bound", "the program hashes too much", bound=HASH_BOUND)

    def record(self, entry: Entry) -> None:
        """Add to the transaction's log. Errors: `InvalidMessage` where there is no transaction."""
        self.header()
        self.charge(len(entry.content) if isinstance(entry, Log) else 0)
        self.log.append(entry)

    def _enter(self, instructions: Sequence[Instruction]) -> None:
        self._left -= len(instructions)
        if self._left < 0:
            raise InvalidMessage("zkvm.instruction_bound", "the program is too long", bound=INSTRUCTION_BOUND)
        self._frames.append(iter(instructions))

    def lock(self, predicate: bytes, payload: tuple[Portable, ...]) -> Contract:
        """A contract that no other is like: it takes the last anchor and leaves its identity as the next.

        Errors: `InvalidMessage` before any anchor.
        """
        if self.anchor is None:
            raise InvalidMessage("zkvm.anchor", "nothing was claimed yet that makes a contract unique")
        contract = Contract(self.anchor, predicate, payload)
        self.charge(len(encode(contract)))
        self.anchor = contract.identity
        return contract
