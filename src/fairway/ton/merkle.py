"""Merkle proofs of one entry of a dictionary: the path to it, and hashes for all that hangs beside.

The same proof shows that a key is not there: the path ends at a label that says otherwise.
"""

from __future__ import annotations

from pytoniq_core import Cell, Slice

from fairway.ton.cells import Builder, cell_hash

__all__ = ["emptied", "entry_proof", "whole_proof"]

_PRUNED, _MERKLE_PROOF = 1, 3


def whole_proof(root: Cell) -> Cell:
    """The exotic cell that proves all of `root` by its hash."""
    return _proof_of(root, root)


def entry_proof(root: Cell, key_bits: int, key: int) -> Cell:
    """The exotic cell that proves what stands, or does not stand, under `key` of the dictionary `root`.

    Of a conditional it keeps the terms; the shared code is known by its hash.
    """
    return _proof_of(root, _path(root, key_bits, key))


def emptied(node: Cell, room: int, key: int) -> Cell:
    """The dictionary `node`, whose keys have `room` bits, with an empty value under `key`, which is there."""
    fields = node.begin_parse()
    length, label = _label(fields, room)
    rest = room - length
    assert key >> rest == label
    if rest == 0:
        return Builder().store_bits(node.bits[: len(node.bits) - fields.remaining_bits]).end_cell()
    turn, below = key >> rest - 1 & 1, key & (1 << rest - 1) - 1
    changed = Builder().store_bits(node.bits)
    for side, child in enumerate(node.refs):
        changed.store_ref(emptied(child, rest - 1, below) if side == turn else child)
    return changed.end_cell()


def _proof_of(root: Cell, shown: Cell) -> Cell:
    head = Builder().store_uint(_MERKLE_PROOF, 8).store_bytes(cell_hash(root)).store_uint(root.get_depth(), 16)
    return Cell(head.bits, [shown], _MERKLE_PROOF)


def _path(node: Cell, room: int, key: int) -> Cell:
    """`node`, whose keys have `room` bits left, with everything pruned that `key` does not lead to."""
    length, label = _label(node.begin_parse(), room)
    rest = room - length
    if key >> rest != label:
        return Cell(node.bits, [_pruned(child) for child in node.refs], -1)
    if rest == 0:
        return Cell(node.bits, [*node.refs[:1], *map(_pruned, node.refs[1:])], -1)
    turn, below = key >> rest - 1 & 1, key & (1 << rest - 1) - 1
    children = [
        _path(child, rest - 1, below) if side == turn else _pruned(child) for side, child in enumerate(node.refs)
    ]
    return Cell(node.bits, children, -1)


def _label(fields: Slice, room: int) -> tuple[int, int]:
    """The label of a dictionary's node as its length and its bits: short$0, long$10 or same$11."""
    width = room.bit_length()
    if not fields.load_bit():
        length = 0
        while fields.load_bit():
            length += 1
        return length, fields.load_uint(length) if length else 0
    if not fields.load_bit():
        length = fields.load_uint(width) if width else 0
        return length, fields.load_uint(length) if length else 0
    bit, length = fields.load_bit(), fields.load_uint(width) if width else 0
    return length, (1 << length) - 1 if bit else 0


def _pruned(cell: Cell) -> Cell:
    head = Builder().store_uint(_PRUNED, 8).store_uint(1, 8).store_bytes(cell_hash(cell))
    return Cell(head.store_uint(cell.get_depth(), 16).bits, [], _PRUNED)
