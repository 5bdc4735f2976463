"""The cells of a half's promises, a `HashmapE 32`, laid out for whoever must show them; `Hashmap` only hashes them.

A cell begins with an edge label, the bits that all keys below share from where the cell above branched; then comes a
conditional's four bytes and two references, or two branches.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairway.channel.conditional import CONDITION_BITS, CONDITION_CODE, Conditional
from fairway.ton.cells import Bits, Plain

__all__ = ["KEY_BITS", "dictionary_cell"]

KEY_BITS = 32


def dictionary_cell(items: Sequence[tuple[int, Conditional]], start: int = 0) -> Plain:
    """The cell over `items`, one at least, in the order of their keys, which agree up to bit `start`."""
    (first, conditional), (last, _) = items[0], items[-1]
    end = KEY_BITS - (first ^ last).bit_length()
    length = end - start
    value, width = _label(first >> KEY_BITS - end & (1 << length) - 1, length, KEY_BITS - start)
    bits = Bits().uint(width, value)
    if len(items) == 1:
        return bits.uint(CONDITION_BITS, CONDITION_CODE).cell(conditional.terms, conditional.code)
    right = next(place for place, (key, _) in enumerate(items) if key >> KEY_BITS - 1 - end & 1)
    return bits.cell(dictionary_cell(items[:right], end + 1), dictionary_cell(items[right:], end + 1))


def _label(bits: int, length: int, room: int) -> tuple[int, int]:
    """The canonical edge label as an integer and its width: of `same$11`, `long$10` and `short$0` the shortest.

    Of labels of one width TON's reference implementation takes the last.
    """
    width = room.bit_length()
    if length > 1 and width < 2 * length - 1 and bits in {0, (1 << length) - 1}:
        return (0b110 | bits & 1) << width | length, 3 + width
    if width < length:
        return (0b10 << width | length) << length | bits, 2 + width + length
    unary = (1 << length) - 1 << 1
    return unary << length | bits, 2 + 2 * length
