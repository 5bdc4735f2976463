"""Hand-laid cells, dictionaries and bags against pytoniq-core, over random inputs."""

import pickle
import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytoniq_core import HashMap
from pytoniq_core.boc.tvm_bitarray import TvmBitarray

from fairway.channel import layout
from fairway.channel.conditionals import Conditional, Conditionals
from fairway.channel.state import NO_CONDITIONALS, Body, Half, SignedHalf
from fairway.errors import InvalidMessage, Rejected
from fairway.ton import cells
from fairway.ton.address import Address
from fairway.ton.cells import Bits, Builder, Cell, Plain, from_boc, to_boc, to_cell

CODE = Bits().uint(32, 7).cell(Bits().uint(8, 1).cell())

seqnos = st.integers(0, 2**64 - 1)
coins = st.integers(0, 120).flatmap(lambda width: st.integers(0, 2**width - 1))
hashes = st.binary(min_size=32, max_size=32)
bodies = st.builds(Body, seqnos, coins, hashes)
halves = st.builds(Half, st.integers(0, 2**128 - 1), bodies, st.none() | bodies)
sized = st.integers(1, 120).flatmap(lambda width: st.tuples(st.just(width), st.integers(0, 2**width - 1)))
fields = st.lists(sized, max_size=8)
shapes = st.recursive(
    st.tuples(fields, st.just([])), lambda below: st.tuples(fields, st.lists(below, max_size=4)), max_leaves=9
)
keys = st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1), st.integers(2**31, 2**31 + 40), st.just(2**32 - 1))


def plain(shape):
    bits = Bits()
    for width, value in shape[0]:
        bits.uint(width, value)
    return bits.cell(*map(plain, shape[1]))


def foreign(shape):
    builder = Builder()
    for width, value in shape[0]:
        builder.store_uint(value, width)
    for below in shape[1]:
        builder.store_ref(foreign(below))
    return builder.end_cell()


@given(shapes)
def test_a_plain_cell_is_the_same_cell(shape):
    ours, theirs = plain(shape), foreign(shape)
    assert (ours.hash, ours.depth) == (theirs.hash, theirs.get_depth())
    assert ours == theirs == ours.to_cell()
    assert pickle.loads(pickle.dumps(ours)) == ours
    again = cells.plain(theirs)
    assert (again.data, again.length, again.hash) == (ours.data, ours.length, ours.hash)


def test_an_exotic_cell_has_no_plain_form():
    bits = TvmBitarray(288)
    bits.frombytes(b"\x01\x01" + bytes(34))
    with pytest.raises(InvalidMessage):
        cells.plain(Cell(bits, [], 1))


@given(shapes)
def test_a_bag_is_read_back_here_and_by_the_library(shape):
    cell = foreign(shape)
    assert from_boc(to_boc(cell)) == cell == Cell.one_from_boc(to_boc(cell))
    assert from_boc(cell.to_boc(hash_crc32=True)) == cell


@given(shapes, st.data())
def test_foreign_bytes_are_a_cell_or_an_invalid_message(shape, data):
    boc = bytearray(to_boc(foreign(shape)))
    for _ in range(data.draw(st.integers(1, 3))):
        boc[data.draw(st.integers(0, len(boc) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InvalidMessage):
        cell = from_boc(bytes(boc))
        assert from_boc(to_boc(cell)) == cell


@given(st.binary(max_size=200))
def test_noise_is_an_invalid_message(noise):
    with pytest.raises(InvalidMessage):
        from_boc(b"\xb5\xee\x9cr" + noise[:1] + noise)


def test_a_bag_of_shared_cells_costs_no_more_than_its_cells():
    cell = Builder().end_cell()
    for _ in range(200):
        cell = Builder().store_ref(cell).store_ref(cell).end_cell()
    boc = to_boc(cell)
    assert len(boc) < 2000
    assert from_boc(boc) == cell


@pytest.mark.parametrize(
    ("cells", "size", "content"),
    [
        (1, 2, "000000"),  # a byte behind the end
        (2, 4, "00000000"),  # a cell that nothing refers to
        (1, 3, "000100"),  # no completion tag
        (1, 3, "000180"),  # a tag where the bits end with a byte
        (1, 3, "010000"),  # a cell that refers to itself
        (1, 3, "000000"),  # a size other than declared
        (1, 2, "2000"),  # a level that is not the cell's
        (1, 2, "0800"),  # an exotic cell without a type
    ],
)
def test_every_bag_has_one_form(cells, size, content):
    def bag(cells, size, content):
        return bytes.fromhex(f"b5ee9c720101{cells:02x}0100{size:02x}00{content}")

    assert from_boc(bag(1, 2, "0000")) == Builder().end_cell()
    with pytest.raises(InvalidMessage):
        from_boc(bag(cells, size, content))


def test_a_bag_too_large_for_its_place_is_not_read():
    with pytest.raises(InvalidMessage):
        from_boc(bytes(101), max_bytes=100)


@given(halves, st.binary(min_size=64, max_size=64))
def test_the_digest_of_a_half_is_the_hash_of_its_cell(half, signature):
    assert half.digest() == half.to_cell().hash
    assert half.body.digest() == half.body.to_cell().hash
    assert Half.from_cell(half.to_cell()) == half
    signed = SignedHalf(half, signature)
    assert SignedHalf.from_cell(from_boc(to_boc(signed.to_cell()))) == signed


@given(halves)
def test_a_half_in_another_form_is_an_invalid_message(half):
    cell = half.to_cell()
    padded_sum = Builder().store_uint(0x43685374, 32).store_uint(half.channel_id, 128).store_uint(half.seqno, 64)
    padded_sum.store_uint(15, 4).store_uint(half.sent, 120).store_bytes(half.body.conditionals_hash).store_bit(0)
    for wrong in (
        Builder().store_cell(cell).store_bit(1).end_cell(),
        Builder().store_bits(cell.bits[:-1]).end_cell(),
        Builder().store_bits(cell.bits).store_ref(cell).store_ref(cell).end_cell(),
        Builder().store_uint(1, 32).store_bits(cell.bits[32:]).end_cell(),
        *([padded_sum.end_cell()] if half.sent < 2**112 else []),
    ):
        with pytest.raises(InvalidMessage):
            Half.from_cell(wrong)


def dictionary(content):
    def store(conditional, builder):
        builder.store_uint(0x88708AD9, 32).store_ref(to_cell(conditional.terms)).store_ref(to_cell(conditional.code))

    return HashMap(32, map_=dict(content), value_serializer=store).serialize()


def conditional(number):
    return Conditional(Bits().uint(160, number).cell(), CODE, number % 1000)


def check_dictionary(steps):
    """Adds and drops in any order leave the library's dictionary of what is left."""
    content, ours = {}, Conditionals()
    for key in steps:
        if key in content:
            del content[key]
            ours = ours.drop(key)
        else:
            content[key] = conditional(key * 977)
            ours = ours.add(key, conditional(key + 1)).replace(key, content[key])
        theirs = dictionary(content)
        assert ours.root_hash() == (theirs.hash if theirs else NO_CONDITIONALS)
        assert len(ours) == len(content)
        assert ours.maximum() == sum(each.maximum for each in content.values())
    assert list(ours.items()) == sorted(content.items())
    assert ours.root_cell() == dictionary(content)
    assert ours == Conditionals(content.items())
    assert pickle.loads(pickle.dumps(ours)) == ours
    return ours


@settings(max_examples=60, deadline=None)
@given(st.lists(keys, max_size=30))
def test_the_trie_is_the_library_s_dictionary(steps):
    check_dictionary(steps)


def test_a_long_life_of_counted_keys_is_the_library_s_dictionary():
    order = random.Random(5)
    steps = [key for key in range(1, 80) for _ in range(2)]
    order.shuffle(steps)
    check_dictionary(steps + [1 << 31 | key for key in range(20)])


def test_an_older_map_stays_whole():
    before = Conditionals((key, conditional(key)) for key in range(9))
    root = before.root_hash()
    before.drop(3).add(77, conditional(77)).root_hash()
    assert (3 in before, 77 in before, before.root_hash()) == (True, False, root)


@given(st.sets(keys, max_size=12), keys)
def test_a_key_names_one_conditional(taken, key):
    ours = Conditionals((each, conditional(each)) for each in taken)
    add, drop, other = (lambda: ours.add(key, conditional(1))), (lambda: ours.drop(key)), conditional(key + 1)
    for wrong in [add] if key in taken else [drop, lambda: ours.replace(key, other)]:
        with pytest.raises(Rejected) as caught:
            wrong()
        assert caught.value.code == "channel.key"
    assert ours.get(key) == (conditional(key) if key in taken else None)


@pytest.mark.parametrize("key", [-1, 1 << 32])
def test_keys_have_32_bits(key):
    with pytest.raises(Rejected):
        Conditionals().add(key, conditional(1))


def test_an_entry_has_a_place_for_its_maximum_or_none_at_all():
    most = (1 << 120) - 1
    full = Conditionals((key, Conditional(Bits().cell(), CODE, most)) for key in range(256))
    assert full.maximum() == 256 * most
    with pytest.raises(Rejected):
        full.add(256, Conditional(Bits().cell(), CODE, most))
    assert 256 not in full


def test_a_map_that_keeps_what_it_should_replace_is_caught(monkeypatch):
    monkeypatch.setattr(Conditionals, "replace", lambda ours, key, conditional: ours)
    with pytest.raises(AssertionError):
        check_dictionary([1, 2, 3])


def test_a_layout_that_labels_always_short_is_caught(monkeypatch):
    def always_short(bits, length, room):
        return ((1 << length) - 1 << 1) << length | bits, 2 + 2 * length

    monkeypatch.setattr(layout, "_label", always_short)
    with pytest.raises(AssertionError):
        check_dictionary([1, 2, 3])


def test_a_map_that_forgets_to_drop_is_caught(monkeypatch):
    monkeypatch.setattr(Conditionals, "drop", lambda ours, key: ours)
    with pytest.raises(AssertionError):
        check_dictionary([1, 2, 3, 2])


@given(st.integers(-128, 127), hashes, st.booleans(), st.booleans())
def test_an_address_is_read_back_in_all_its_forms(workchain, digest, bounceable, testnet):
    address = Address(workchain, digest)
    friendly = address.friendly(bounceable=bounceable, testnet=testnet)
    assert Address.parse(str(address)) == Address.parse(friendly) == address
    assert friendly == address.foreign().to_str(is_bounceable=bounceable, is_test_only=testnet)


@pytest.mark.parametrize("text", ["", "0:", "0:00", "x:" + "0" * 64, "E" * 48, "200:" + "0" * 64, "0: " + "0" * 63])
def test_what_is_no_address_is_an_invalid_message(text):
    with pytest.raises(InvalidMessage):
        Address.parse(text)


def test_a_field_that_does_not_fit_is_an_overflow():
    for overflow in (
        lambda: Bits().uint(8, 256),
        lambda: Bits().sint(8, 128),
        lambda: Bits().coins(1 << 120),
        lambda: Bits().uint(1024, 0).cell(),
        lambda: Bits().cell(*[Plain(b"", 0)] * 5),
    ):
        with pytest.raises(OverflowError):
            overflow()
