"""Bags of cells, read strictly and in linear time.

The library's own reader copies what is left for every cell, and its writer walks a shared subtree once for every way to
it: 40 cells that each refer to the next one twice would keep it busy for ever. What comes from outside is read here.
"""

from __future__ import annotations

from pytoniq_core import Cell
from pytoniq_core.boc.tvm_bitarray import TvmBitarray
from pytoniq_core.crypto.crc import crc32c

from fairway.errors import InvalidMessage

__all__ = ["read", "write"]

MAGIC = b"\xb5\xee\x9cr"
_INDEX, _CHECKSUM, _UNKNOWN, _SIZE = 0x80, 0x40, 0x18, 0x07
_HASHES, _EXOTIC, _REFS, _LEVEL = 0x10, 0x08, 0x07, 5


class _Bytes:
    """Bytes taken from the front; `ValueError` where there are too few."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self.data):
            raise ValueError("too few bytes")
        return self.data[self.at - count : self.at]

    def uint(self, width: int) -> int:
        return int.from_bytes(self.take(width))


def read(boc: bytes) -> Cell:
    """The one root of `boc`, which holds its cells and no others; else `InvalidMessage` with `cells.boc`.

    An index or hashes that come along (nodes send them) are passed over: everything is computed here.
    """
    try:
        return _read(_Bytes(boc))
    except Exception as error:
        # Building a cell raises whatever the library happens to meet.
        raise InvalidMessage("cells.boc", "these bytes are not a bag of one cell", bytes=len(boc)) from error


def _read(source: _Bytes) -> Cell:
    if source.take(4) != MAGIC:
        raise ValueError("another magic")
    flags, offset_width = source.uint(1), source.uint(1)
    width = flags & _SIZE
    if flags & _UNKNOWN or not 1 <= width <= 4 or not 1 <= offset_width <= 8:
        raise ValueError("unknown flags or widths")
    count, roots, absent = (source.uint(width) for _ in range(3))
    size, root = source.uint(offset_width), source.uint(width)
    if roots != 1 or absent or root or not 2 * count <= size <= len(source.data):
        raise ValueError("not one root that comes first, or sizes that cannot be")
    if flags & _INDEX:
        source.take(count * offset_width)
    begin = source.at
    raw = [_raw(source, width) for _ in range(count)]
    if source.at - begin != size:
        raise ValueError("a size other than declared")
    if flags & _CHECKSUM and crc32c(source.data[: source.at]) != source.take(4):
        raise ValueError("another checksum")
    if source.at != len(source.data) or {ref for _, _, refs in raw for ref in refs} | {0} != set(range(count)):
        raise ValueError("more than the cells of one tree")
    return _built(raw)


def _raw(source: _Bytes, width: int) -> tuple[bytes, bytes, list[int]]:
    head, size = source.take(2)
    if head & _HASHES:
        source.take(34 * ((head >> _LEVEL).bit_count() + 1))
    data = source.take(size + 1 >> 1)
    return bytes((head & ~_HASHES, size)), data, [source.uint(width) for _ in range(head & _REFS)]


def _built(raw: list[tuple[bytes, bytes, list[int]]]) -> Cell:
    cells: list[Cell] = [None] * len(raw)
    for at in range(len(raw) - 1, -1, -1):
        descriptors, data, refs = raw[at]
        if any(ref <= at for ref in refs):
            raise ValueError("a cell refers back")
        bits = TvmBitarray(1023)
        bits.frombytes(data)
        if descriptors[1] & 1:
            bits = bits[: 8 * len(data) - _tag_length(data[-1])]
        exotic = bool(descriptors[0] & _EXOTIC)
        kind = data[0] if exotic else -1
        cells[at] = Cell(bits, [cells[ref] for ref in refs], kind)
        if _descriptors(cells[at]) != descriptors:
            raise ValueError("a cell is not in its one form")
    return cells[0]


def _tag_length(last: int) -> int:
    """How many bits of the last byte are the completion tag."""
    if not last:
        raise ValueError("no completion tag")
    return (last & -last).bit_length()


def _descriptors(cell: Cell) -> bytes:
    whole, rest = divmod(len(cell.bits), 8)
    head = len(cell.refs) | (_EXOTIC if cell.is_exotic else 0) | cell.level_mask.mask << _LEVEL
    return bytes((head, 2 * whole + (rest > 0)))


def write(root: Cell) -> bytes:
    """`root` and all below it, each cell once, without index and checksum."""
    order = _parents_first(root)
    place = {cell.hash: at for at, cell in enumerate(order)}
    width = (len(order).bit_length() + 7) // 8
    payload = bytearray()
    for cell in order:
        payload += _descriptors(cell) + cell.data
        for ref in cell.refs:
            payload += place[ref.hash].to_bytes(width)
    offset_width = (len(payload).bit_length() + 7) // 8
    counts = b"".join(number.to_bytes(width) for number in (len(order), 1, 0))
    return MAGIC + bytes((width, offset_width)) + counts + len(payload).to_bytes(offset_width) + bytes(width) + payload


def _parents_first(root: Cell) -> list[Cell]:
    """Every cell once, before all that it refers to: a depth-first walk, read backwards."""
    done: list[Cell] = []
    seen: set[bytes] = set()
    stack = [(root, False)]
    while stack:
        cell, below = stack.pop()
        if below:
            done.append(cell)
        elif cell.hash not in seen:
            seen.add(cell.hash)
            stack.append((cell, True))
            stack.extend((ref, False) for ref in cell.refs)
    return done[::-1]
