"""The report claims nothing that it did not look at: each claim follows the figure it is made of."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import msgspec
import pytest

from fairway.chain.interface import Message, Transaction
from fairway.channel.codec import Challenge, OpenChallenge
from fairway.cli.demo.report import Report, tally_chain, vault_agrees
from fairway.ton.cells import Builder, to_boc
from fairway.ton.vault_messages import BooksView


def report(**changes):
    shapes = {"money_conserved": True, "directory": "somewhere"}
    values = {
        name: shapes.get(name, True if kind is bool else 1)
        for name, kind in {field.name: field.type for field in msgspec.structs.fields(Report)}.items()
    }
    return Report(**(values | changes))


def test_what_held_breaks_nothing():
    assert report().broken() == []


@pytest.mark.parametrize(
    "name",
    [field.name for field in msgspec.structs.fields(Report) if field.type is bool],
)
def test_each_claim_that_did_not_hold_is_named(name):
    assert report(**{name: False}).broken() == [name]


def test_a_settlement_that_was_not_verified_is_named():
    assert report(settlements=2, settlements_verified=1).broken() == ["settlements_verified"]


def test_the_vault_agrees_to_the_nano_and_waiting_gains_count():
    books = BooksView(locked=100, protected=0, bond=0, supply=0, sink=0, missing=0, claims=())
    assert vault_agrees(books, 100)
    assert not vault_agrees(books, 99)


def test_a_challenge_counts_where_a_contract_took_it(tmp_path):
    def transaction(lt, word, *, aborted):
        body = to_boc(Builder().store_uint(word, 32).end_cell())
        message = Message("0:00", "0:01", 1, bounced=False, created_lt=lt, body=body)
        return Transaction("0:01", lt, 0, bytes(32), message, (), aborted, 0, 0, 0, 0)

    kept = [
        transaction(1, Challenge.OP, aborted=False),
        transaction(2, Challenge.OP, aborted=True),
        transaction(3, 7, aborted=False),
        transaction(4, OpenChallenge.OP, aborted=False),
        transaction(5, OpenChallenge.OP, aborted=True),
    ]
    with closing(sqlite3.connect(tmp_path / "chain.sqlite")) as database:
        database.execute("CREATE TABLE transactions (record BLOB)")
        rows = [(msgspec.msgpack.encode(each),) for each in kept]
        database.executemany("INSERT INTO transactions VALUES (?)", rows)
        database.commit()
    assert tally_chain(tmp_path) == (5, 1, 1)
