"""Recorded cells of the channel: their hashes, as the library and the chain's own dictionary compute them."""

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from tonpy import Cell as TonpyCell
from tonpy import CellBuilder, VmDict

from fairway.channel.conditionals import Conditional, Conditionals
from fairway.channel.state import Body, Half
from fairway.channel.statement import channel_id
from fairway.ton.address import Address
from fairway.ton.cells import Bits, from_boc, to_boc, to_cell

VECTORS = json.loads((Path(__file__).parent / "channel-cells.json").read_text(encoding="utf-8"))
CODE = Bits().uint(32, 7).cell()


def body(fields):
    return fields and Body(int(fields["seqno"]), int(fields["sent"]), bytes.fromhex(fields["conditionals_hash"]))


def conditional(key):
    return Conditional(Bits().uint(32, key).cell(), CODE, key)


@pytest.mark.parametrize("vector", VECTORS["halves"])
def test_a_recorded_half_keeps_its_hash(vector):
    half = Half(int(vector["channel_id"]), body(vector["body"]), body(vector["counterparty"]))
    assert half.digest().hex() == vector["hash"]
    assert Half.from_cell(from_boc(bytes.fromhex(vector["boc"]))) == half


@pytest.mark.parametrize("vector", VECTORS["dictionaries"])
def test_a_recorded_dictionary_keeps_its_root(vector):
    ours = Conditionals((key, conditional(key)) for key in vector["keys"])
    assert ours.root_hash().hex() == vector["root"]


@pytest.mark.parametrize("vector", VECTORS["channel_ids"])
def test_a_recorded_channel_keeps_its_id(vector):
    keys = [bytes.fromhex(vector[name]) for name in ("key_a", "key_b", "salt")]
    assert channel_id(vector["network"], Address.parse(vector["vault"]), *keys) == int(vector["channel_id"])


def tonpy_cell(cell):
    return TonpyCell(b64encode(to_boc(cell)).decode())


@pytest.mark.parametrize("vector", VECTORS["dictionaries"])
def test_the_chain_s_own_dictionary_has_the_same_root(vector):
    theirs = VmDict(32)
    for key in vector["keys"]:
        each = conditional(key)
        value = CellBuilder().store_uint(0x88708AD9, 32)
        value.store_ref(tonpy_cell(to_cell(each.terms))).store_ref(tonpy_cell(to_cell(each.code)))
        theirs.set(key, value.end_cell().begin_parse())
    assert from_boc(b64decode(theirs.get_cell().to_boc())).hash.hex() == vector["root"]
