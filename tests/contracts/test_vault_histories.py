"""Random histories on a chain: after every message the contract's books are the model's, and so is what it paid."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from vault_stage import CHANNEL_CLOSED, CHANNEL_WITHDRAW, TREASURY, Stage, address, succeeded

from fairway.errors import Rejected
from fairway.ton.vault_messages import WORD_VALUE, lend, pay_claims, post_bond, repay
from fairway.units import TON
from fairway.vault import books as model

NAMES = ("alice", "bob", "carl", "dora")
MOVES = 30


def move(stage: Stage, random: Random, parties: list) -> str:
    nano = random.choice((1, TON, random.randrange(1, 20 * TON)))
    kind = random.choice(("open", "wrap", "pay", "pay", "close", "bond", "lend", "repay", "claims"))
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
        stage.books, payments = model.post_bond(stage.books, nano)
        stage.check_payments(done, payments)
    elif kind == "lend":
        done = succeeded(stage.word(address("lender"), lend(nano), nano + WORD_VALUE))
        stage.books, payments = model.lend(stage.books, nano)
        stage.check_payments(done, payments)
    elif kind == "repay":
        done = stage.word(TREASURY, repay(address("lender"), nano))
        try:
            stage.books, payments = model.repay(stage.books, b"lender", nano)
        except Rejected:
            assert done[0].exit_code == 807
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
    assert min(counts[kind] for kind in ("open", "wrap", "pay", "close", "bond", "lend", "repay", "claims")) >= 3, (
        counts
    )


def test_a_model_that_forgets_what_is_missing_disagrees(monkeypatch: pytest.MonkeyPatch):
    honest = model._burn

    def forgetful(books: model.Books, taken: int) -> model.Books:
        return honest(replace(books, missing=0), taken)

    monkeypatch.setattr(model, "_burn", forgetful)
    with pytest.raises(AssertionError):
        sum((walk(seed) for seed in range(8)), Counter())
