"""The deployed script transaction: it decodes to what is known of it, encodes to itself, and its proof verifies."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fairway.errors import InvalidMessage, InvalidProof
from fairway.zkvm import tx, verifier, zkos
from fairway.zkvm.types import String

VECTOR = json.loads((Path(__file__).parent / "zkos-script-tx.json").read_text())
RAW = bytes.fromhex(VECTOR["raw_bincode_hex"])
DEPLOYED = tx.decode(RAW)
BEFORE = zkos.State(7, "18aa", "0cbb", zkos.Closed(b"\1" * 32), (zkos.Integer(-5), zkos.Closed(b"\2" * 32)), 9)
AFTER = replace(BEFORE, nonce=8, commitment=zkos.Closed(b"\3" * 32), variables=(zkos.Integer(6), zkos.Opaque(b"x")))


def datum(entry: dict) -> zkos.Datum:
    if "scalar" in entry:
        return zkos.Scalar(bytes.fromhex(entry["scalar"]["scalar"]))
    return zkos.Closed(bytes.fromhex(entry["commitment"]["closed"]))


def test_it_encodes_to_its_own_bytes():
    assert tx.encode(DEPLOYED) == RAW


def test_every_known_field_is_read():
    known = VECTOR["decoded"]
    put, made = known["inputs"][0], known["outputs"][0]["v"]
    assert (DEPLOYED.version, DEPLOYED.fee, DEPLOYED.maturity) == (known["version"], known["fee"], known["maturity"])
    assert [DEPLOYED.input_count, DEPLOYED.output_count, DEPLOYED.witness_count] == known["counts"]
    assert DEPLOYED.inputs == (
        zkos.Input(
            zkos.Kind.COIN,
            zkos.InputCoin(
                zkos.Utxo(bytes.fromhex(put["utxo"]["txid"]), put["utxo"]["idx"]),
                zkos.Coin(bytes.fromhex(put["coin"]["c"]), bytes.fromhex(put["coin"]["d"]), put["coin"]["owner"]),
                put["w"],
            ),
        ),
    )
    memo = zkos.Memo(
        made["script"],
        made["owner"],
        zkos.Closed(bytes.fromhex(made["commitment"]["closed"])),
        tuple(map(datum, made["data"])),
        made["tb"],
    )
    assert DEPLOYED.outputs == (zkos.Output(zkos.Kind.MEMO, memo),)
    assert DEPLOYED.program.hex() == VECTOR["program"]
    assert DEPLOYED.proof.hex() == VECTOR["r1cs_proof"]
    assert DEPLOYED.data == zkos.Closed(bytes.fromhex(VECTOR["V_in_commit_order"][0]))


def test_its_proof_verifies_from_the_decoded_transaction():
    claim = tx.claim_of(DEPLOYED)
    verifier.verify(claim)
    commitments = verifier.circuit_of(claim.instructions, claim.inputs).commitments
    assert [point.hex() for point in commitments] == VECTOR["V_in_commit_order"]


def test_its_proof_is_of_these_commitments_and_of_no_others():
    memo = DEPLOYED.outputs[0].created
    other = replace(memo, commitment=zkos.Closed(DEPLOYED.inputs[0].spent.coin.c))
    forged = replace(DEPLOYED, outputs=(zkos.Output(zkos.Kind.MEMO, other),))
    with pytest.raises(InvalidProof):
        verifier.verify(tx.claim_of(forged))


def test_weakness_its_proof_holds_whatever_else_the_transaction_says():
    verifier.verify(tx.claim_of(replace(DEPLOYED, fee=0, maturity=1)))


def with_pairs(*pairs) -> zkos.ScriptTx:
    inputs = tuple(zkos.Input(kind, spent) for kind, spent, _, _ in pairs)
    outputs = tuple(zkos.Output(kind, created) for _, _, kind, created in pairs)
    return replace(DEPLOYED, input_count=len(pairs), output_count=len(pairs), inputs=inputs, outputs=outputs)


def test_a_memo_that_becomes_a_coin_and_a_state_read_back_and_load_in_order():
    memo, coin = DEPLOYED.outputs[0].created, DEPLOYED.inputs[0].spent.coin
    utxo = zkos.Utxo(bytes(32), 1)
    spent = zkos.InputMemo(utxo, replace(memo, data=None), 0, zkos.Closed(b"\4" * 32))
    state = zkos.InputState(utxo, BEFORE, 0, (zkos.Integer(-1),))
    transaction = with_pairs(
        (zkos.Kind.MEMO, spent, zkos.Kind.COIN, coin), (zkos.Kind.STATE, state, zkos.Kind.STATE, AFTER)
    )
    assert tx.decode(tx.encode(transaction)) == transaction
    stack = [item.content for item in tx.loaded(transaction)]
    assert stack[:4] == [memo.commitment.point, b"\4" * 32, b"\1" * 32, b"\3" * 32]
    assert stack[5:8] == [(6).to_bytes(32, "little"), b"\2" * 32, b"x"]
    assert len(stack) == 10
    assert tx.loaded(transaction)[-1] == String(transaction.data.point)


@pytest.mark.parametrize(
    "witness",
    [
        zkos.Signature(bytes(64)),
        zkos.Dlog((bytes(32),), bytes(32)),
        zkos.Dleq((), (), (), bytes(32)),
        zkos.StateWitness(bytes(64), (bytes(32),)),
        zkos.StateWitness(b"", None),
    ],
)
def test_every_kind_of_witness_reads_back(witness):
    transaction = replace(DEPLOYED, witnesses=(witness,))
    assert tx.decode(tx.encode(transaction)) == transaction


def test_kinds_counts_and_pairs_must_agree():
    coin = DEPLOYED.inputs[0].spent
    for wrong, code in (
        (replace(DEPLOYED, witness_count=2), "zkos.count"),
        (replace(DEPLOYED, inputs=(zkos.Input(zkos.Kind.MEMO, coin),)), "zkos.kind"),
        (replace(DEPLOYED, outputs=(zkos.Output(zkos.Kind.COIN, DEPLOYED.outputs[0].created),)), "zkos.kind"),
    ):
        with pytest.raises(InvalidMessage) as refused:
            tx.decode(tx.encode(wrong))
        assert refused.value.code == code
    for pairs in (
        [(zkos.Kind.COIN, coin, zkos.Kind.COIN, coin.coin)],
        [(zkos.Kind.COIN, coin, zkos.Kind.STATE, AFTER)],
    ):
        with pytest.raises(InvalidMessage, match=r"zkos\.pairs"):
            tx.loaded(with_pairs(*pairs))


def test_a_number_that_does_not_fit_is_refused():
    with pytest.raises(InvalidMessage, match=r"bincode\.number"):
        tx.encode(replace(DEPLOYED, fee=1 << 64))
    with pytest.raises(InvalidMessage, match=r"bincode\.length"):
        tx.encode(replace(DEPLOYED, data=zkos.Scalar(b"short")))


def test_whatever_is_cut_or_changed_is_refused_or_reads_back_to_itself():
    for length in range(0, len(RAW), 7):
        with pytest.raises(InvalidMessage):
            tx.decode(RAW[:length])
    with pytest.raises(InvalidMessage, match=r"bincode\.trailing"):
        tx.decode(RAW + b"\0")
    for index in range(len(RAW)):
        changed = bytearray(RAW)
        changed[index] ^= 0xFF
        try:
            transaction = tx.decode(bytes(changed))
        except InvalidMessage:
            continue
        assert tx.encode(transaction) == changed
