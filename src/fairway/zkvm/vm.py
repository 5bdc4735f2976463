"""The machine: one flat step, the same for prover and verifier, over one state.

The stack starts with the inputs and must end empty. Every instruction that a dialect assigns runs; some of them need a
transaction around the program, and say so where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairway.errors import InvalidMessage
from fairway.zkvm import effects, steps
from fairway.zkvm.program import Instruction
from fairway.zkvm.state import ALONE, INSTRUCTION_BOUND, STACK_BOUND, Circuit, Delegate, State, Surroundings
from fairway.zkvm.types import Item

__all__ = ["ALONE", "INSTRUCTION_BOUND", "Circuit", "Delegate", "Machine", "Surroundings", "run", "trace"]

_STEPS = steps.STEPS | effects.STEPS


class Machine(State):
    """A state that instructions move."""

    __slots__ = ()

    def step(self, instruction: Instruction) -> None:
        """Do one instruction. Errors: `InvalidMessage`."""
        _STEPS[instruction.op.name](self, instruction.operand)
        if len(self.stack) > STACK_BOUND:
            raise InvalidMessage("zkvm.stack_bound", "the stack is too deep", bound=STACK_BOUND)

    def finish(self, instructions: Sequence[Instruction]) -> Circuit:
        """Run to the end. Errors: `InvalidMessage`."""
        for instruction in self.flow(instructions):
            self.step(instruction)
        return self.circuit()


def run(
    instructions: Sequence[Instruction],
    delegate: Delegate,
    inputs: Sequence[Item] = (),
    around: Surroundings = ALONE,
) -> Circuit:
    """The circuit that a program makes of its inputs. Errors: `InvalidMessage`."""
    return Machine(delegate, inputs, around).finish(instructions)


def trace(
    instructions: Sequence[Instruction],
    delegate: Delegate,
    inputs: Sequence[Item] = (),
    around: Surroundings = ALONE,
) -> Iterator[tuple[Instruction, tuple[Item, ...]]]:
    """Each instruction with the stack (bottom first) that it leaves."""
    machine = Machine(delegate, inputs, around)
    for instruction in machine.flow(instructions):
        machine.step(instruction)
        yield instruction, tuple(machine.stack)
