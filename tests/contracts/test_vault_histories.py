"""Random histories on a chain: after every message the contract's books are the model's, and so is what it paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from vault_pairs import QUARANTINE_S, promise_of, shown, two_halves
from vault_stage import CHANNEL_CLOSED, CHANNEL_WITHDRAW, SERVICE, TREASURY, Party, Stage, address, succeeded

from fairway.errors import Rejected
from fairway.ton.cells import cell_hash
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    WORD_VALUE,
    SignedCell,
    answer_loss,
    lend,
    pay_claims,
    pool_value,
    post_bond,
    post_value,
    repay,
    slash_two_halves,
    take_loss,
    withdraw,
)
from fairway.units import TON
from fairway.vault import books as model
from fairway.vault import losses, pool

NAMES = ("alice", "bob", "carl", "dora")
MOVES = 40


def quiet(move: Callable[[model.Books], model.Books]):
    """A move that pays nobody, as one that could."""
    return lambda books: (move(books), ())


def tried_repay(stage: Stage, random: Random, party: Party | None, nano: int):
    nano = random.choice((nano, max(1, stage.books.free - stage.books.bond - stage.books.pool.value)))
    return repay(address("operator"), nano), lambda books: pool.repay(books, b"operator", nano), {807}


def tried_withdraw(stage: Stage, random: Random, party: Party | None, nano: int):
    shares = random.randrange(stage.books.pool.lenders.get(b"lender", 0) + 2)
    return withdraw(shares), lambda books: pool.withdraw(books, b"lender", shares), {822}


def tried_post(stage: Stage, random: Random, party: Party | None, nano: int):
    last, now_s = stage.books.pool, stage.router.now
    value = last.value + random.randrange(-last.value // 3, last.value // 3 + 1)
    cell = pool_value(stage.vault, last.epoch + 1, value, bytes(32))
    posted = post_value(SignedCell(SERVICE.sign(cell_hash(cell)), cell))
    made = quiet(lambda books: pool.post_value(books, last.epoch + 1, value, now_s, QUARANTINE_S))
    return posted, made, {814, 823}


def tried_loss(stage: Stage, random: Random, party: Party | None, nano: int):
    """Shown, answered or taken, whatever there is to do."""
    if party is None:
        return pay_claims(), model.settle_claims, set()
    entry, seqno = stage.books.accounts[party.channel_id], random.randrange(1, 50)
    if entry.notice is None:
        due_s = stage.router.now + QUARANTINE_S
        made = quiet(lambda books: losses.show(books, party.channel_id, nano, nano // 3, seqno, due_s))
        return shown(party, nano, nano // 3, seqno), made, {804, 815, 819, 820}
    if random.random() < 0.3:
        body = answer_loss(party.channel, promise_of(party, seqno, nano // 2))
        made = quiet(lambda books: losses.answer(books, party.channel_id, nano // 2, seqno, promised=False))
        return body, made, {815, 819}
    stage.router.advance(QUARANTINE_S)
    now_s = stage.router.now
    return take_loss(party.channel), lambda books: losses.take(books, party.channel_id, now_s), {804, 821}


def tried_slash(stage: Stage, random: Random, party: Party | None, nano: int):
    if party is None:
        return pay_claims(), model.settle_claims, set()
    seqno = random.randrange(4)
    body = slash_two_halves(party.channel, *two_halves(party, seqno))
    return body, lambda books: losses.slash(books, party.channel_id, seqno, TON // 2), {810, 815}


TRIED = {
    "repay": tried_repay,
    "withdraw": tried_withdraw,
    "post": tried_post,
    "loss": tried_loss,
    "slash": tried_slash,
}


def move(stage: Stage, random: Random, parties: list) -> str:
    nano = random.choice((1, TON, random.randrange(1, 20 * TON)))
    kind = random.choice(("open", "wrap", "pay", "pay", "close", "bond", "lend", "claims", *TRIED))
    party = random.choice(parties) if parties else None
    entry = stage.books.accounts[party.channel_id] if party else None
    if kind == "open" and len(parties) < len(NAMES):
        parties.append(stage.opened(NAMES[len(parties)], nano))
    elif kind == "wrap" and entry and not entry.ended:
        succeeded(stage.wrap(party, nano))
        stage.books = model.wrap(stage.books, party.channel_id, nano)
    elif kind == "pay" and entry and entry.held:
        side = random.choice(("user", "service"))
        stage.pays(party, **{side: random.randrange(entry.held + 1)}, word=CHANNEL_WITHDRAW)
    elif kind == "close" and entry and entry.held:
        share = random.choice((0, min(entry.held, entry.deposit), random.randrange(entry.held + 1)))
        stage.pays(party, share, entry.held - share, CHANNEL_CLOSED)
    elif kind == "bond":
        done = succeeded(stage.word(TREASURY, post_bond(nano), nano + WORD_VALUE))
        stage.books, payments = pool.post_bond(stage.books, nano)
        stage.check_payments(done, payments)
    elif kind == "lend":
        nano += pool.LEAST
        done = succeeded(stage.word(address("lender"), lend(nano), nano + WORD_VALUE))
        stage.books, payments = pool.lend(stage.books, b"lender", nano)
        stage.check_payments(done, payments)
    elif kind in TRIED:
        body, made, code = TRIED[kind](stage, random, party, nano)
        done = stage.word(TREASURY if kind == "repay" else address("lender"), body, EVIDENCE_VALUE)
        try:
            stage.books, payments = made(stage.books)
        except Rejected:
            assert done[0].exit_code in code, done[0]
            return "refused"
        stage.check_payments(succeeded(done), payments)
    else:
        done = succeeded(stage.word(address("anyone"), pay_claims()))
        stage.books, payments = model.settle_claims(stage.books)
        stage.check_payments(done, payments)
    return kind


def walk(seed: int) -> Counter[str]:
    stage, random, parties, counts = Stage(), Random(seed), [], Counter()
    for _ in range(MOVES):
        counts[move(stage, random, parties)] += 1
        stage.agree()
    return counts


def test_contract_and_books_agree_after_every_message():
    counts = sum((walk(seed) for seed in range(8)), Counter())
    assert min(counts[kind] for kind in ("open", "wrap", "pay", "close", "bond", "lend", "claims", *TRIED)) >= 3, counts


def test_a_model_that_forgets_what_is_missing_disagrees(monkeypatch: pytest.MonkeyPatch):
    honest = model.burn

    def forgetful(books: model.Books, taken: int) -> model.Books:
        return honest(replace(books, missing=0), taken)

    monkeypatch.setattr(model, "burn", forgetful)
    with pytest.raises(AssertionError):
        sum((walk(seed) for seed in range(8)), Counter())
