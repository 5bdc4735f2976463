"""Transactions of the whole machine: values are issued, mixed, locked and taken, and nothing is made of nothing."""

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from fairway.crypto import schnorr
from fairway.crypto.merlin import Transcript
from fairway.crypto.pedersen import Opening
from fairway.crypto.relations import Relation, check
from fairway.errors import InvalidMessage, InvalidProof, Rejected
from fairway.zkvm import checker, merkle, transaction, txlog, verifier
from fairway.zkvm import cloak as cloaking
from fairway.zkvm import contract as contracts
from fairway.zkvm.assembler import parse
from fairway.zkvm.contract import Contract, String, Value
from fairway.zkvm.merkle import Tree
from fairway.zkvm.op import Dialect
from fairway.zkvm.predicate import CallProof, PredicateTree, flavor
from fairway.zkvm.program import bind, encode
from fairway.zkvm.prover import prove
from fairway.zkvm.txlog import Header
from fairway.zkvm.types import Type
from fairway.zkvm.vm import Surroundings
from fairway.zkvm.zkos import Coin

ENTROPY = bytes(range(32))
HEADER = Header(1, 1_000, 2_000)
ALICE, BOB, ISSUER = 1001, 1002, 1003
KEY = {secret: schnorr.verification_key(secret) for secret in (ALICE, BOB, ISSUER)}
SECRETS = {key: secret for secret, key in KEY.items()}
FLAVOR = flavor(KEY[ISSUER], b"gold")


def opening(value: int, blinding: int) -> Opening:
    return Opening(value, blinding)


Q, F = opening(100, 11), opening(FLAVOR, 0)
ANCHORED = contracts.encode(Contract(b"a" * 32, KEY[ALICE], ()))
"""What a transaction claims to be unlike any other: a contract without a payload."""


def built(text: str, names: dict[str, bytes], openings=(), **options):
    return transaction.build(bind(parse(text).instructions, names), HEADER, openings, ENTROPY, **options)


def signed(text: str, names: dict[str, bytes], openings=(), **options) -> transaction.Transaction:
    return transaction.sign(built(text, names, openings, **options), SECRETS, ENTROPY)


def stored(value: tuple[Opening, Opening], owner: int, anchor: bytes = b"b" * 32) -> bytes:
    return contracts.encode(Contract(anchor, KEY[owner], (Value(value[0].commitment, value[1].commitment),)))


ISSUE = """
push:anchored input signtx
push:Q commit push:F commit push:metadata push:issuer issue signtx
push:Qb push:Fb push:Qa push:Fa cloak:1:2
push:bob output:1
push:alice output:1
push:4:6e6f7465 log
"""
PARTS = {"Qa": opening(30, 21), "Fa": opening(FLAVOR, 22), "Qb": opening(70, 23), "Fb": opening(FLAVOR, 24)}


def issue(parts=PARTS) -> tuple[str, dict[str, bytes], list[Opening]]:
    names = {name: each.commitment for name, each in parts.items()} | {
        "anchored": ANCHORED, "Q": Q.commitment, "F": F.commitment, "metadata": b"gold",
        "issuer": KEY[ISSUER], "alice": KEY[ALICE], "bob": KEY[BOB],
    }  # fmt: skip
    return ISSUE, names, [Q, F, *parts.values()]


def test_what_is_issued_is_cloaked_locked_and_verified_and_its_output_can_be_claimed():
    tx = signed(*issue())
    assert transaction.decode(tx.encode()) == tx
    effects = transaction.verify(tx)
    assert [type(entry).__name__ for entry in effects.log] == ["Input", "Issue", "Output", "Output", "Log"]
    assert [key for key, _ in effects.signers] == [KEY[ALICE], KEY[ISSUER]]
    to_bob, to_alice = (entry for entry in effects.log if isinstance(entry, txlog.Output))
    left = contracts.decode(to_alice.structure)
    assert left.identity == to_alice.identity
    assert left.predicate == KEY[ALICE]
    claim = """
    push:first input signtx
    push:second input signtx
    push:fee fee
    push:Q push:F cloak:3:1 retire
    """
    plain, paid = opening(3, 31), opening(0, 32)
    names = {"first": to_bob.structure, "second": stored((plain, paid), ALICE), "fee": (3).to_bytes(4, "little")}
    whole = {"Q": opening(70, 41), "F": opening(FLAVOR, 42)}
    names |= {name: each.commitment for name, each in whole.items()}
    spent = signed(claim, names, [*PARTS.values(), plain, paid, *whole.values()])
    assert transaction.verify(spent).fee == 3


def test_a_transaction_has_the_bytes_and_identities_that_were_recorded():
    recorded = json.loads((Path(__file__).parent.parent / "vectors" / "zkvm-transaction.json").read_text())
    tx = transaction.decode(bytes.fromhex(recorded["transaction"]))
    assert tx == signed(*issue())
    effects = transaction.verify(tx)
    log = [[type(entry).__name__.lower(), *(field.hex() for field in entry)] for entry in effects.log]
    assert (effects.txid.hex(), log) == (recorded["txid"], recorded["log"])
    assert [[key.hex(), identity.hex()] for key, identity in effects.signers] == recorded["signers"]
    assert FLAVOR.to_bytes(32, "little").hex() == recorded["flavor"]
    assert PredicateTree(CLAUSES, b"k" * 32, KEY[ALICE]).predicate.hex() == recorded["predicate_tree"]


def test_the_checker_follows_contracts_and_programs_that_the_program_shows():
    text, names, _ = issue()
    checker.check(bind(parse(text).instructions, names))
    with pytest.raises(InvalidMessage, match="known only when it runs"):
        checker.check(parse(text).instructions)
    inner = encode(parse("push:X commit borrow retire").instructions[2:], Dialect.ZKVM)
    loan = f"push:X commit push:X commit program:{len(inner)}:{inner.hex()} eval"
    assert checker.infer(parse(loan).instructions) == (Type.WIDE_VALUE,)
    locked = contracts.encode(Contract(b"c" * 32, KEY[BOB], (String(b"t"), Value(KEY[BOB], KEY[BOB]))))
    opened = bind(parse("push:locked input signtx").instructions, {"locked": locked})
    assert checker.infer(opened) == (Type.STRING, Type.VALUE)
    with pytest.raises(InvalidMessage) as refused:
        checker.check(bind(parse("push:locked input program:0: push:s signtag").instructions,
                           {"locked": locked, "s": bytes(64)}))  # fmt: skip
    assert refused.value.code == "zkvm.tag"


LIES = {
    "a nano more": {"Qa": opening(31, 21)},
    "a nano less": {"Qa": opening(29, 21)},
    "a negative part": {"Qa": opening(-1, 21), "Qb": opening(101, 23)},
    "another flavor": {"Fa": opening(FLAVOR + 1, 22)},
    "both of another flavor": {"Fa": opening(5, 22), "Fb": opening(5, 24)},
}


@pytest.mark.parametrize("name", LIES)
def test_a_cloak_that_makes_value_cannot_be_proven(name):
    with pytest.raises(Rejected):
        built(*issue(PARTS | LIES[name]))


def test_a_proof_of_an_honest_cloak_serves_no_other_outputs():
    honest = signed(*issue())
    text, names, _ = issue(PARTS | LIES["a nano more"])
    code = encode(bind(parse(text).instructions, names), Dialect.ZKVM)
    with pytest.raises(InvalidProof):
        transaction.verify(replace(honest, program=code))


@pytest.mark.parametrize(("name", "part"), [("a nano more", "_fold"), ("a negative part", "range64")])
def test_without_its_fold_or_its_range_the_cloak_would_make_value(monkeypatch, name, part):
    """The planted bug: each part of the gadget is what rules out its lie."""
    if part == "_fold":
        monkeypatch.setattr(cloaking, "_fold", lambda tape, row: None)
    else:
        monkeypatch.setattr(cloaking.Tape, "range64", lambda tape, value: None)
    transaction.verify(signed(*issue(PARTS | LIES[name])))


def test_a_switch_that_is_no_bit_cannot_be_proven(monkeypatch):
    monkeypatch.setattr(cloaking, "_ranks", lambda row: [2 * rank for rank in range(len(row))][::-1])
    transaction.verify(signed(*issue()))
    alloc = cloaking.Tape.alloc
    monkeypatch.setattr(cloaking.Tape, "alloc", lambda tape, value=None: alloc(tape, value and value * 2))
    with pytest.raises(Rejected):
        built(*issue())


def test_many_flavors_are_mixed_in_any_order_with_a_fee():
    flavors = (7, 8, 0)
    put = [(opening(10 + i, 50 + i), opening(flavors[i % 3], 60 + i)) for i in range(5)]
    sums = {7: 10 + 13, 8: 11 + 14, 0: 12 - 2}
    for order in permutations(flavors):
        out = [(opening(sums[f], 70 + f), opening(f, 80 + f)) for f in order]
        claims = "".join(f"push:in{i} input signtx\n" for i in range(5))
        made = "".join(f"push:q{i} push:f{i}\n" for i in range(3))
        text = f"{claims} push:fee fee {made} cloak:6:3 retire retire retire"
        names = {f"in{i}": stored(value, ALICE, bytes([i]) * 32) for i, value in enumerate(put)}
        names |= {"fee": (2).to_bytes(4, "little")}
        for i, (q, f) in enumerate(out):
            names |= {f"q{i}": q.commitment, f"f{i}": f.commitment}
        openings = [each for pair in (*put, *out) for each in pair]
        assert transaction.verify(signed(text, names, openings)).fee == 2


@pytest.mark.parametrize("count", range(2, 7))
def test_the_switches_bring_any_order_about(count):
    for order in permutations(range(count)):
        row = list(order)
        for i, j in cloaking.comparators(count):
            row[i], row[j] = min(row[i], row[j]), max(row[i], row[j])
        assert row == sorted(row)


def test_a_loan_is_paid_back_within_its_transaction_and_never_left_open():
    q, f = opening(5, 91), opening(FLAVOR, 92)
    names = {"anchored": ANCHORED, "Q": q.commitment, "F": f.commitment}
    loan = "push:anchored input signtx push:Q commit push:F commit borrow"
    assert transaction.verify(signed(loan + " cloak:2:0", names, [q, f]))
    for end in ("", " retire", " retire drop", " dup:1"):
        with pytest.raises(InvalidMessage):
            built(loan + end, names, [q, f])


def test_a_signature_over_another_transaction_is_refused():
    one, other = signed(*issue()), signed(ISSUE + "push:1:00 log", *issue()[1:])
    assert transaction.verify_batch([one, other])
    for signature in (other.signature, one.signature[:32] + other.signature[32:], bytes(64)):
        with pytest.raises(InvalidProof):
            transaction.verify(replace(one, signature=signature))
    with pytest.raises(InvalidProof) as refused:
        transaction.verify_batch([one, replace(other, signature=one.signature)])
    assert refused.value.facts["index"] == 1


def test_a_transaction_is_bound_to_its_header_program_and_proof():
    tx = signed(*issue())
    others = [
        replace(tx, header=tx.header._replace(mintime=1)),
        replace(tx, header=tx.header._replace(maxtime=3_000)),
        replace(tx, proof=signed(ISSUE + "push:1:00 log", *issue()[1:]).proof),
        replace(tx, program=tx.program + encode(parse("push:1:00 drop").instructions, Dialect.ZKVM)),
    ]
    for other in others:
        with pytest.raises(InvalidProof):
            transaction.verify(other)
    for version in (0, 2):
        with pytest.raises(InvalidMessage):
            transaction.verify(replace(tx, header=tx.header._replace(version=version)))


def test_nobody_issues_the_flavor_of_another():
    text, names, openings = issue()
    for change in ({"metadata": b"silver"}, {"issuer": KEY[BOB]}):
        with pytest.raises(InvalidProof):
            transaction.verify(signed(text, names | change, openings))
    blinded = opening(FLAVOR, 1)
    with pytest.raises(InvalidProof):
        transaction.verify(signed(text, names | {"F": blinded.commitment}, [*openings, blinded]))


def test_a_secret_that_is_missing_signs_nothing():
    with pytest.raises(Rejected):
        transaction.sign(built(*issue()), {KEY[ALICE]: ALICE}, ENTROPY)


def test_a_transaction_that_claims_nothing_is_not_unique():
    with pytest.raises(InvalidMessage) as refused:
        built("push:0: log", {})
    assert refused.value.code == "zkvm.anchor"


def test_no_two_contracts_of_a_transaction_have_one_identity():
    tx = signed("push:anchored input signtx push:alice output:0 push:alice output:0 push:alice contract:0 signtx",
                {"anchored": ANCHORED, "alice": KEY[ALICE]})  # fmt: skip
    effects = transaction.verify(tx)
    identities = [entry.identity for entry in effects.log] + [identity for _, identity in effects.signers]
    assert len(set(identities)) == 4
    assert contracts.ratcheted(b"x" * 32) != b"x" * 32


def test_what_stays_on_the_stack_cannot_be_smuggled_into_a_contract():
    names = {"anchored": ANCHORED, "alice": KEY[ALICE], "Q": Q.commitment}
    for item in ("push:Q commit", "push:Q commit expr", "push:alice contract:0"):
        with pytest.raises(InvalidMessage) as refused:
            built(f"push:anchored input signtx {item} push:alice output:1", names, [Q])
        assert refused.value.code == "zkvm.not_portable"


CLAUSES = tuple(encode(parse(text).instructions, Dialect.ZKVM) for text in (
    "push:2:aa00 log", "mintime drop drop", "maxtime push:32:" + "d0" + "07" + "00" * 30 + " scalar eq verify log",
))  # fmt: skip


@pytest.mark.parametrize("key", [None, KEY[ALICE]])
@pytest.mark.parametrize("chosen", range(3))
def test_each_program_of_a_predicate_tree_can_be_called_and_no_other(chosen, key):
    tree = PredicateTree(CLAUSES, b"k" * 32, key)
    locked = contracts.encode(Contract(b"c" * 32, tree.predicate, (String(b"payload"),)))
    proof = tree.call_proof(chosen)
    assert CallProof.decode(proof.encode()) == proof
    names = {"locked": locked, "proof": proof.encode()}
    end = " drop" if chosen == 0 else ""

    def calling(code: bytes, **changes: bytes) -> transaction.Transaction:
        text = f"push:locked input push:proof program:{len(code)}:{code.hex()} call{end}"
        return signed(text, names | changes)

    assert transaction.verify(calling(CLAUSES[chosen]))
    other = PredicateTree((*CLAUSES[:-1], b"\x02"), b"k" * 32, key).call_proof(chosen)
    wrong = replace(tree, key=KEY[BOB]).call_proof(chosen)
    for changes in ({"proof": other.encode()}, {"proof": wrong.encode()}):
        with pytest.raises(InvalidProof):
            transaction.verify(calling(CLAUSES[chosen], **changes))
    with pytest.raises(InvalidProof):
        transaction.verify(calling(CLAUSES[chosen] + encode(parse("push:0: drop").instructions, Dialect.ZKVM)))


def test_the_key_of_a_predicate_tree_signs_for_it_and_nobody_else_does():
    tree = PredicateTree(CLAUSES, b"k" * 32, KEY[ALICE])
    locked = contracts.encode(Contract(b"c" * 32, tree.predicate, ()))
    unsigned = built("push:locked input signtx", {"locked": locked})
    own = {tree.predicate: ALICE + tree.adjustment}
    assert transaction.verify(transaction.sign(unsigned, own, ENTROPY))
    with pytest.raises(InvalidMessage):
        transaction.sign(unsigned, {tree.predicate: ALICE}, ENTROPY)


DELEGATED = encode(parse("drop push:2:6f6b log").instructions, Dialect.ZKVM)


@pytest.mark.parametrize("op", ["signid", "signtag"])
def test_a_key_delegates_to_a_program_for_one_contract_or_one_tag(op):
    def spend(anchor: bytes, tag: bytes, signature: bytes, code: bytes = DELEGATED) -> transaction.Transaction:
        locked = contracts.encode(Contract(anchor, KEY[BOB], (String(tag),)))
        text = f"push:locked input program:{len(code)}:{code.hex()} push:signature {op}"
        return signed(text, {"locked": locked, "signature": signature})

    first, second = Contract(b"c" * 32, KEY[BOB], (String(b"t"),)), Contract(b"d" * 32, KEY[BOB], (String(b"t"),))
    transcript = Transcript(b"ZkVM." + op.encode())
    transcript.append(*((b"contract", first.identity) if op == "signid" else (b"tag", b"t")))
    transcript.append(b"prog", DELEGATED)
    signature = schnorr.sign(transcript, BOB, ENTROPY)
    assert transaction.verify(spend(first.anchor, b"t", signature))
    other_code = DELEGATED + encode(parse("push:0: drop").instructions, Dialect.ZKVM)
    refused = [
        spend(first.anchor, b"u", signature),
        spend(first.anchor, b"t", signature, other_code),
        spend(first.anchor, b"t", schnorr.sign(transcript, ALICE, ENTROPY)),
    ]
    if op == "signid":
        refused.append(spend(second.anchor, b"t", signature))
    else:
        assert transaction.verify(spend(second.anchor, b"t", signature))
    for tx in refused:
        with pytest.raises(InvalidProof):
            transaction.verify(tx)


def test_eval_runs_a_program_before_what_follows_and_all_programs_share_one_budget():
    inner = encode(parse("push:1:01 drop").instructions, Dialect.ZKVM)
    outer = f"program:{len(inner)}:{inner.hex()} eval push:0: drop"
    verifier.circuit_of(parse(outer).instructions)
    long = encode(parse("push:0: drop " * 1500).instructions, Dialect.ZKVM)
    with pytest.raises(InvalidMessage) as refused:
        verifier.circuit_of(parse(f"program:{len(long)}:{long.hex()} eval " * 2).instructions)
    assert refused.value.code == "zkvm.instruction_bound"
    with pytest.raises(InvalidMessage):
        verifier.circuit_of(parse("program:1:ff eval").instructions)


def test_a_commitment_is_unblinded_to_its_value_only():
    point, scalar = opening(5, 0), (5).to_bytes(32, "little")
    text = "push:V push:v unblind drop push:X commit expr push:v scalar eq verify"

    def claim(**changes: bytes) -> verifier.Claim:
        names = {"V": point.commitment, "v": scalar, "X": point.commitment} | changes
        program = bind(parse(text).instructions, names)
        honest = bind(parse(text).instructions, {"V": point.commitment, "v": scalar, "X": point.commitment})
        return verifier.Claim(program, b"", prove(honest, [point], b"", ENTROPY))

    verifier.verify(claim())
    for wrong in (opening(6, 0), opening(5, 1)):
        with pytest.raises(InvalidProof) as refused:
            verifier.verify_batch([claim(), claim(V=wrong.commitment)])
        assert refused.value.facts["index"] == 1


@pytest.mark.parametrize("use", ["log", "push:alice contract:1 signtx drop"])
def test_a_copied_string_cannot_be_hashed_without_end(use):
    names = {"anchored": ANCHORED, "alice": KEY[ALICE], "long": bytes(40_000)}
    text = "push:anchored input signtx push:long " + f"dup:0 {use} " * 20 + " drop"
    with pytest.raises(InvalidMessage) as refused:
        built(text, names)
    assert refused.value.code == "zkvm.hash_bound"


def test_fees_are_four_bytes_and_bounded_together():
    claim = "push:anchored input signtx "
    for fees, code in (("push:3:000000 fee", "zkvm.fee"), ("push:4:00000001 fee push:4:01000000 fee", "zkvm.fee")):
        with pytest.raises(InvalidMessage) as refused:
            built(claim + fees, {"anchored": ANCHORED})
        assert refused.value.code == code


def test_a_coin_of_zkos_is_seen_copied_and_dropped():
    coin = Coin(b"c" * 32, b"d" * 32, "owner")
    around = Surroundings(Dialect.ZKOS, coins_in=(None, coin), coins_out=(coin,))
    verifier.circuit_of(parse("inputcoin:1 dup:0 drop drop outputcoin:0 drop").instructions, (), around)
    with pytest.raises(InvalidMessage):
        verifier.circuit_of(parse("inputcoin:0 drop").instructions, (), around)


def test_relations_are_checked_each_for_itself():
    """The planted bug: two false relations whose plain sum is true."""
    key = KEY[ALICE]
    false, opposite = Relation(((1, key),), 5 - ALICE), Relation(((-1, key),), ALICE - 5)
    check([Relation(((1, key),), -ALICE)])
    with pytest.raises(InvalidProof):
        check([false, opposite])


@pytest.mark.parametrize("count", range(1, 9))
def test_every_leaf_of_a_tree_has_a_path_to_its_root_and_no_other_leaf_does(count):
    tree = Tree(b"test")
    leaves = [((b"leaf", bytes([i])),) for i in range(count)]
    root = tree.root(leaves)
    for index, leaf in enumerate(leaves):
        path = tree.path(leaves, index)
        assert merkle.Path.decode(path.encode()) == path
        assert [tree.climbed(each, path) == root for each in leaves] == [each == leaf for each in leaves]


@pytest.mark.parametrize(
    "encoded", [b"", bytes(11), bytes(8) + b"\1\0\0\0", b"\2" + bytes(7) + b"\1\0\0\0" + bytes(32)]
)
def test_bytes_that_are_no_path_are_invalid(encoded):
    with pytest.raises(InvalidMessage):
        merkle.Path.decode(encoded)
