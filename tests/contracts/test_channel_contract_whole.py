"""R6 on chain: the pair that counts is one of which one side has signed the very half of the other."""

from __future__ import annotations

from channel_stage import CHANNEL, QUARANTINE_S, SETTLING_S, TON, WALLET_B, Stage, body, half_a, half_b, signed
from evidence import inputs, proof
from test_channel_contract_settle import plain

from fairway.channel.codec import Adopt, Recall, Settle, decode, encode
from fairway.channel.conditionals import Conditionals
from fairway.channel.state import Body, SignedHalf
from fairway.exchange.conditions import chain_conditional
from fairway.ton.cells import Builder, Cell
from fairway.ton.contracts import condition_code
from fairway.ton.merkle import entry_proof

CHAIN_KEY = 0xFFFFFFFF
NOTHING = bytes(32)


class Expecting:
    """A half of B under `seqno` that cites `cited` and expects A to have sent `sent` and to promise `promised`."""

    def __init__(self, seqno: int, cited: Body, sent: int = 0, promised: Conditionals | None = None) -> None:
        self.root = promised.root_hash() if promised else NOTHING
        chain = chain_conditional(b"\7" * 32, sent, self.root, condition_code("chain"))
        self.promises = Conditionals([(5, plain(TON)), (CHAIN_KEY, chain)])
        self.sent = sent
        self.half = half_b(body(seqno, 0, self.promises), cited)

    @property
    def body(self) -> Body:
        return self.half.half.body

    def proof(self) -> Cell:
        return entry_proof(self.promises.root_cell(), 32, CHAIN_KEY)

    def answered(self, seqno: int) -> SignedHalf:
        """A's half that says what this one expects."""
        return half_a(Body(seqno, self.sent, self.root), self.body)

    def adopted(self, a: SignedHalf) -> Adopt:
        return Adopt(a, self.half, self.proof())


OLD = body(3)
"""A's newest half that B has cited; B's next half expects him to have sent 2 TON more."""


def disputed(b: Expecting, a: SignedHalf | None = None) -> Stage:
    stage = Stage().funded(10 * TON, 100 * TON)
    assert stage.start(a or half_a(OLD), b.half, by_a=True).exit_code == 0
    return stage


def stands(stage: Stage) -> tuple[int, int]:
    quarantine = stage.view().quarantine
    return quarantine.a.seqno, quarantine.b.seqno


def test_a_adopts_what_the_services_half_expects_and_nothing_else():
    newest = Expecting(7, OLD, 2 * TON)
    stage = disputed(newest)
    for lie in (half_a(body(4, TON), newest.body), half_a(Body(4, 2 * TON, b"\1" * 32), newest.body)):
        assert stage.tell(newest.adopted(lie)).exit_code == 147
    assert stage.tell(newest.adopted(newest.answered(4))).exit_code == 0
    assert stands(stage) == (4, 7)
    assert stage.view().quarantine.adopted
    assert stage.finish().result_code == 0
    assert stage.paid(WALLET_B) == 102 * TON


def test_no_order_that_the_service_has_shown_to_know_is_left_out():
    stale, newest = Expecting(7, OLD, 2 * TON), Expecting(8, body(4, 2 * TON), 3 * TON)
    stage = disputed(stale)
    assert stage.challenge(half_a(body(4, 2 * TON)), newest.half, by_a=False).exit_code == 0
    assert stage.tell(stale.adopted(stale.answered(9))).exit_code == 105
    assert stage.tell(newest.adopted(newest.answered(9))).exit_code == 0
    assert stands(stage) == (9, 8)


def test_the_proof_is_of_the_half_that_is_shown():
    newest, other = Expecting(7, OLD, 2 * TON), Expecting(7, OLD, TON)
    stage = disputed(newest)
    assert stage.tell(Adopt(newest.answered(4), newest.half, other.proof())).exit_code == 115
    assert stage.tell(Adopt(newest.answered(4), half_b(newest.body, OLD), newest.proof())).exit_code == 0


def test_adoption_comes_after_the_last_challenge_and_before_anyone_else_claims():
    newest = Expecting(7, OLD, 2 * TON)
    for waited, exit_code in ((QUARANTINE_S + SETTLING_S // 4 - 1, 0), (QUARANTINE_S + SETTLING_S // 4, 111)):
        stage = disputed(newest)
        stage.router.advance(waited)
        assert stage.tell(newest.adopted(newest.answered(4))).exit_code == exit_code


def test_what_was_claimed_of_the_half_before_is_claimed_again():
    promised = Conditionals([(1, plain(TON))])
    old, newest = half_a(body(3, 0, promised)), Expecting(7, body(3, 0, promised), 2 * TON, promised)
    stage = disputed(newest, old)
    stage.router.advance(QUARANTINE_S + 1)
    claim = signed(Settle(CHANNEL, inputs({1: Builder().end_cell()}), proof(promised)), by_a=False)
    assert stage.tell(claim).exit_code == 0
    assert stage.view().quarantine.a.sent == TON
    assert stage.tell(newest.adopted(newest.answered(4))).exit_code == 0
    assert stage.view().quarantine.a.sent == 2 * TON
    assert stage.tell(claim).exit_code == 0
    assert stage.finish().result_code == 0
    assert stage.paid(WALLET_B) == 103 * TON


def test_only_a_newer_half_of_the_service_takes_the_place_of_an_adopted_one():
    first, newest = Expecting(7, OLD, 2 * TON), Expecting(8, OLD, 3 * TON)
    stage = disputed(first)
    assert stage.tell(first.adopted(first.answered(4))).exit_code == 0
    assert stage.tell(first.adopted(first.answered(5))).exit_code == 105
    assert stage.tell(newest.adopted(newest.answered(6))).exit_code == 0
    assert stage.tell(first.adopted(first.answered(7))).exit_code == 105
    assert stands(stage) == (6, 8)


def test_the_half_that_the_other_cites_is_recalled_until_a_adopts():
    cited, newest = Expecting(6, body(2)), Expecting(7, OLD, 2 * TON)
    own = half_a(OLD, cited.body)
    stage = disputed(newest, own)
    assert stage.tell(Recall(own, Expecting(5, body(2)).half)).exit_code == 147
    assert stage.tell(Recall(half_a(body(4), cited.body), cited.half)).exit_code == 147
    stage.router.advance(QUARANTINE_S + 1)
    assert stage.tell(Recall(own, cited.half)).exit_code == 0
    assert stands(stage) == (3, 6)
    assert stage.tell(Recall(own, cited.half)).exit_code == 147, "it would undo what was claimed of it"
    late = half_a(newest.answered(4).half.body, cited.body)
    assert stage.tell(newest.adopted(late)).exit_code == 0
    assert stage.tell(Recall(late, cited.half)).exit_code == 147
    assert stands(stage) == (4, 7)


def test_a_challenge_after_an_adoption_opens_it_again():
    newest = Expecting(7, OLD, 2 * TON)
    stage = disputed(newest)
    assert stage.tell(newest.adopted(newest.answered(4))).exit_code == 0
    assert stage.challenge(half_a(OLD), newest.half, by_a=False).exit_code == 0
    assert stands(stage) == (3, 7)
    assert stage.tell(newest.adopted(newest.answered(4))).exit_code == 0
    assert stands(stage) == (4, 7)


def test_the_messages_are_read_as_they_are_written():
    newest = Expecting(7, OLD, 2 * TON)
    for message in (newest.adopted(newest.answered(4)), Recall(newest.answered(4), newest.half)):
        assert encode(decode(encode(message))).hash == encode(message).hash
