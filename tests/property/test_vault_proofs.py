"""A pruned proof of one conditional has the hash of the whole dictionary and shows its own terms, and only those."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from pytoniq_core import Cell

from fairway.channel.conditionals import Conditional, Conditionals
from fairway.ton.cells import Builder, cell_hash
from fairway.ton.merkle import entry_proof, whole_proof

CODE = Builder().store_uint(1, 8).store_ref(Cell.empty()).end_cell()


def terms(key: int) -> Cell:
    return Builder().store_uint(key, 40).end_cell()


def shown(cell: Cell) -> set[bytes]:
    """The hashes of all ordinary cells below."""
    below = set().union(*(shown(child) for child in cell.refs)) if cell.refs else set()
    return below if cell.is_exotic else {cell_hash(cell), *below}


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=40), st.data())
def test_a_proof_of_a_key_keeps_the_root_and_nothing_of_the_others(keys: set[int], data: st.DataObject):
    root = Conditionals([(key, Conditional(terms(key), CODE, 0)) for key in keys]).root_cell()
    key = data.draw(st.one_of(st.sampled_from(sorted(keys)), st.integers(0, 2**32 - 1)))
    proof = entry_proof(root, 32, key)
    assert proof.refs[0].get_hash(0) == cell_hash(root) == whole_proof(root).refs[0].hash
    seen = shown(Cell.one_from_boc(proof.to_boc()).refs[0])
    assert (cell_hash(terms(key)) in seen) == (key in keys)
    assert not any(cell_hash(terms(other)) in seen for other in keys - {key})
    assert cell_hash(CODE) not in seen
