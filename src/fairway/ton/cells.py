"""Cells: TON's only data structure, a few bits and up to four references, named by its hash.

Two forms of one thing. `Cell` is pytoniq-core's, for everything that is parsed or sent. `Plain` is ours, laid out by
hand with integers and hashlib, for the few fixed shapes of the hot path: it knows its hash and becomes a `Cell` on
demand. Both agree bit for bit (tests/property/test_cells_plain.py).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias

from pytoniq_core import Builder, Cell, Slice
from pytoniq_core.boc.tvm_bitarray import TvmBitarray

from fairway.errors import InvalidMessage
from fairway.ton import boc

__all__ = [
    "COINS_BOUND",
    "MAX_BOC_BYTES",
    "AnyCell",
    "Bits",
    "Builder",
    "Cell",
    "Plain",
    "Slice",
    "cell_hash",
    "check_end",
    "from_boc",
    "plain",
    "reference",
    "to_boc",
    "to_cell",
]

COINS_BOUND = 1 << 120
MAX_BOC_BYTES = 1 << 20


class Plain:
    """An ordinary cell of level 0: `length` bits in `data` (with the completion tag where they end inside a byte).

    `data` is trusted: lay it out with `Bits`. `hash` and `depth` are those of the cell.
    """

    __slots__ = ("data", "depth", "hash", "length", "refs")

    def __init__(self, data: bytes, length: int, refs: tuple[AnyCell, ...] = ()) -> None:
        self.hash: bytes
        self.depth: int
        self.data = data
        self.length = length
        self.refs = refs
        head = bytes((len(refs), length + 7 >> 3 << 1 if length & 7 == 0 else (length >> 3 << 1) + 1))
        if refs:
            depths = [_depth(ref) for ref in refs]
            tail = b"".join([depth.to_bytes(2) for depth in depths]) + b"".join([ref.hash for ref in refs])
            self.depth = max(depths) + 1
            self.hash = sha256(head + data + tail).digest()
        else:
            self.depth = 0
            self.hash = sha256(head + data).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain | Cell) and self.hash == other.hash

    def __hash__(self) -> int:
        return int.from_bytes(self.hash[:8])

    def __reduce__(self) -> tuple[type[Plain], tuple[bytes, int, tuple[AnyCell, ...]]]:
        return Plain, (self.data, self.length, self.refs)

    def __repr__(self) -> str:
        return f"<Plain {self.length}[{self.data.hex().upper()}] -> {len(self.refs)} refs>"

    def to_cell(self) -> Cell:
        """The same cell in pytoniq-core's form."""
        bits = TvmBitarray(1023)
        bits.frombytes(self.data)
        return Cell(bits[: self.length], [to_cell(ref) for ref in self.refs])


AnyCell: TypeAlias = Plain | Cell


class Bits:
    """Fields laid end to end as a cell's data, most significant bit first.

    A field that does not fit its width is an `OverflowError`.
    """

    __slots__ = ("length", "value")

    def __init__(self) -> None:
        self.value = 0
        self.length = 0

    def uint(self, width: int, value: int) -> Bits:
        """`value` in [0, 2^width) as `width` bits."""
        if value < 0 or value >> width:
            raise OverflowError(f"{value} does not fit {width} bits")
        self.value = self.value << width | value
        self.length += width
        return self

    def uints(self, widths: tuple[int, ...], values: tuple[int, ...]) -> Bits:
        """Each of `values` as `uint` of its width."""
        whole = self.value
        for width, value in zip(widths, values, strict=True):
            if value < 0 or value >> width:
                raise OverflowError(f"{value} does not fit {width} bits")
            whole = whole << width | value
        self.value = whole
        self.length += sum(widths)
        return self

    def sint(self, width: int, value: int) -> Bits:
        """`value` as `width` bits in two's complement."""
        if not -(1 << width - 1) <= value < 1 << width - 1:
            raise OverflowError(f"{value} does not fit {width} signed bits")
        return self.uint(width, value & (1 << width) - 1)

    def coins(self, value: int) -> Bits:
        """`value` as VarUInteger 16: four bits of byte length, then the bytes."""
        size = (value.bit_length() + 7) // 8
        return self.uint(4, size).uint(8 * size, value)

    def raw(self, value: bytes) -> Bits:
        """The bytes of `value`."""
        return self.uint(8 * len(value), int.from_bytes(value))

    def cell(self, *refs: AnyCell) -> Plain:
        """The cell of these bits and `refs`."""
        if self.length > 1023 or len(refs) > 4:
            raise OverflowError(f"a cell holds 1023 bits and 4 references, not {self.length} and {len(refs)}")
        whole, rest = divmod(self.length, 8)
        if rest:
            return Plain(((self.value << 1 | 1) << 7 - rest).to_bytes(whole + 1), self.length, refs)
        return Plain(self.value.to_bytes(whole), self.length, refs)

    def digest(self) -> bytes:
        """The hash of the cell of these bits and no references."""
        return self.cell().hash


def _depth(cell: AnyCell) -> int:
    return cell.depth if isinstance(cell, Plain) else cell.get_depth()


def cell_hash(cell: AnyCell) -> bytes:
    """The representation hash of `cell`, 32 bytes."""
    return cell.hash


def reference(cell: AnyCell) -> tuple[bytes, bytes]:
    """What a parent hashes of `cell`: its depth in two bytes, and its hash."""
    depth: int = cell.depth if isinstance(cell, Plain) else cell.get_depth()
    return depth.to_bytes(2), cell.hash


def to_cell(cell: AnyCell) -> Cell:
    """`cell` in pytoniq-core's form."""
    return cell.to_cell() if isinstance(cell, Plain) else cell


def plain(cell: AnyCell) -> Plain:
    """`cell`, which must be ordinary down to its leaves, in our own form; else `InvalidMessage` (`cells.exotic`)."""
    if isinstance(cell, Plain):
        return cell
    same = Plain(_tagged(cell), len(cell.bits), tuple(map(plain, cell.refs)))
    if same.hash != cell.hash:
        raise InvalidMessage("cells.exotic", "an exotic cell has no plain form")
    return same


def _tagged(cell: Cell) -> bytes:
    """The bits of `cell` as bytes, with the completion tag where they end inside a byte."""
    rest = -len(cell.bits) % 8
    value = int.from_bytes(cell.bits.tobytes()) >> rest
    if rest:
        value = (value << 1 | 1) << rest - 1
    return value.to_bytes((len(cell.bits) + 7) // 8)


def to_boc(cell: AnyCell) -> bytes:
    """`cell` and all below it as one bag of cells."""
    return boc.write(to_cell(cell))


def from_boc(data: bytes, max_bytes: int = MAX_BOC_BYTES) -> Cell:
    """The one root cell of the bag `data`; any other bytes are `InvalidMessage` with `cells.boc`."""
    if len(data) > max_bytes:
        raise InvalidMessage("cells.boc", "a bag of cells is larger than its place allows", bytes=len(data))
    return boc.read(data)


def check_end(fields: Slice) -> None:
    """`fields` holds no more bits and references; else `InvalidMessage` with `cells.trailing`."""
    if fields.remaining_bits or fields.remaining_refs:
        raise InvalidMessage("cells.trailing", "a cell holds more than its schema", bits=fields.remaining_bits)
