"""`fairway audit` accepts what happened, and names the entry, the page or the record of what did not."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import sqlite3
from contextlib import closing

import pytest
from audit_stage import lived, pushed, record, reseal, sign, write
from msgspec.structs import replace
from typer.testing import CliRunner

from fairway.channel.state import Body, Half
from fairway.cli.app import app
from fairway.client.replica import Entry as Said
from fairway.exchange import effect, event, wire
from fairway.service import archive
from fairway.units import TON

PAGE = archive.PAGE_SIZE


@pytest.fixture(scope="module")
def world():
    return lived()


@pytest.fixture(scope="module")
def honest(tmp_path_factory, world):
    """A demo directory in which nothing is wrong."""
    folder = tmp_path_factory.mktemp("honest") / "demo"
    write(folder / "service", world.journal)
    record(folder / "traders", world)
    return folder


@pytest.fixture
def demo(tmp_path, honest):
    """A copy to lie in."""
    return shutil.copytree(honest, tmp_path / "demo")


def run(folder):
    """The verdict as JSON; the exit status goes with it."""
    ran = CliRunner().invoke(app, ["audit", str(folder), "--json"])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    verdict = json.loads(ran.stdout)
    assert ran.exit_code == (0 if verdict["verdict"] == "accepted" else 1)
    return verdict


def flip(path, offset, bit=1):
    content = bytearray(path.read_bytes())
    content[offset] ^= bit
    path.write_bytes(content)


def alter(service, *statements):
    """Change the journal with SQL and seal it again, as whoever holds the disk could."""
    (service / archive.MANIFEST).unlink()
    with closing(sqlite3.connect(service / archive.JOURNAL)) as database, database:
        for statement, *values in statements:
            assert database.execute(statement, values).rowcount > 0
    reseal(service)


def test_an_honest_directory_is_accepted_and_counted(honest, world):
    verdict = run(honest)
    assert verdict["verdict"] == "accepted"
    assert verdict["notes"] == []
    assert verdict["examined"]["entries"] == len(world.journal)
    examined = verdict["examined"]
    assert examined["proofs"] == examined["settlements"] + examined["lender_moves"]
    assert examined["settlements"] > 5
    assert verdict["examined"]["payouts"] == 1
    assert verdict["letters"] > 150
    assert verdict["checkpoints"] >= 3
    assert verdict["records"]["channels"] == 5
    assert verdict["records"]["halves_of_service"] > 100
    assert verdict["records"]["halves_of_users"] > 100
    assert verdict["records"]["receipts"] == 2 * verdict["counts"]["fills"] > 0


def test_a_person_can_read_the_verdict(honest):
    ran = CliRunner().invoke(app, ["audit", str(honest / "service")])
    assert ran.exit_code == 0
    assert "ACCEPTED" in ran.stdout
    assert "proofs of settlements" in ran.stdout


def test_a_refusal_is_one_line_with_a_stable_code(demo):
    flip(demo / "service" / archive.JOURNAL, 3 * PAGE)
    ran = CliRunner().invoke(app, ["audit", str(demo)])
    assert ran.exit_code == 1
    assert "REJECTED" in ran.stdout
    assert "journal." in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr


# The file


def test_any_flipped_byte_of_the_journal_is_named(demo):
    journal, rng = demo / "service" / archive.JOURNAL, random.Random(5)
    content = journal.read_bytes()
    named = 0
    for _ in range(250):
        offset = rng.randrange(len(content))
        flip(journal, offset, 1 << rng.randrange(8))
        verdict = run(demo)
        assert verdict["code"] in {"journal.page", "journal.corrupt"}
        assert (verdict["page"], verdict["offset"]) == (offset // PAGE, offset // PAGE * PAGE)
        named += "seq" in verdict
        journal.write_bytes(content)
    assert named > 50, "most bytes of a journal are an entry's"


def test_a_flipped_byte_of_an_entry_is_named_by_the_entry(demo, world):
    journal = demo / "service" / archive.JOURNAL
    for seq in (0, 7, len(world.journal) // 2, len(world.journal) - 1):
        content = journal.read_bytes()
        offset = content.index(world.journal[seq][:60]) + 30
        flip(journal, offset)
        verdict = run(demo)
        assert (verdict["code"], verdict["seq"], verdict["page"]) == ("journal.corrupt", seq, offset // PAGE)
        journal.write_bytes(content)


def test_a_flipped_byte_of_a_free_page_is_named_by_its_page(demo):
    service = demo / "service"
    with closing(sqlite3.connect(service / archive.JOURNAL, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE scratch AS SELECT randomblob(9000)")
        database.execute("DROP TABLE scratch")
    reseal(service)
    assert run(demo)["verdict"] == "accepted"
    last = (service / archive.JOURNAL).stat().st_size - 100
    flip(service / archive.JOURNAL, last)
    verdict = run(demo)
    assert (verdict["code"], verdict["page"]) == ("journal.page", last // PAGE)
    assert "seq" not in verdict


def test_any_flipped_byte_of_the_manifest_is_named_as_the_manifests(demo):
    manifest = demo / "service" / archive.MANIFEST
    content = manifest.read_bytes()
    for offset in range(0, len(content), 37):
        flip(manifest, offset)
        assert run(demo)["code"] == "journal.manifest"
        manifest.write_bytes(content)


def test_a_truncated_journal_is_named_by_its_first_missing_page(demo):
    journal = demo / "service" / archive.JOURNAL
    content = journal.read_bytes()
    journal.write_bytes(content[: len(content) - PAGE])
    verdict = run(demo)
    assert verdict["code"] in {"journal.page", "journal.corrupt"}
    journal.write_bytes(content + b"x")
    assert run(demo)["page"] == len(content) // PAGE


def test_a_manifest_of_another_journal_is_refused(demo):
    service = demo / "service"
    manifest = archive.read_manifest(service)
    forged = archive.sealed(replace(manifest, head="00" * 32))
    (service / archive.MANIFEST).write_bytes(archive.encode_manifest(forged))
    assert run(demo)["code"] == "journal.manifest"


def test_a_folder_without_a_journal_is_no_lie_but_an_error(tmp_path):
    verdict = run(tmp_path)
    assert (verdict["verdict"], verdict["code"]) == ("unreadable", "journal.missing")


# The journal of an interrupted service


def test_an_unsealed_journal_is_accepted_and_it_is_said(demo):
    (demo / "service" / archive.MANIFEST).unlink()
    verdict = run(demo)
    assert verdict["verdict"] == "accepted"
    assert not verdict["sealed"]
    assert "interrupted" in verdict["notes"][0]


def test_settlements_without_proof_wait_after_an_interruption_and_are_refused_under_a_seal(tmp_path, world):
    unproven = [
        payload for payload in world.journal if not isinstance(event.decode(payload), event.Proved | event.EpochProved)
    ]
    write(tmp_path, unproven)
    assert run(tmp_path)["code"] == "audit.unproven"
    (tmp_path / archive.MANIFEST).unlink()
    verdict = run(tmp_path)
    assert verdict["verdict"] == "accepted"
    examined = verdict["examined"]
    assert examined["unproven"] == examined["settlements"] + examined["lender_moves"]
    assert "wait for their proof" in verdict["notes"][1]


def test_an_altered_entry_of_an_unsealed_journal_is_named(demo, world):
    (demo / "service" / archive.MANIFEST).unlink()
    journal = demo / "service" / archive.JOURNAL
    flip(journal, journal.read_bytes().index(world.journal[40][:60]) + 50)
    verdict = run(demo)
    assert (verdict["code"], verdict["seq"]) == ("journal.corrupt", 40)


# The chain of entries


def test_a_dropped_entry_is_missed(demo):
    alter(demo / "service", ("DELETE FROM entries WHERE seq = 33",))
    verdict = run(demo)
    assert (verdict["code"], verdict["seq"]) == ("journal.corrupt", 33)


def test_swapped_entries_are_named(demo):
    alter(
        demo / "service",
        ("UPDATE entries SET seq = -1 WHERE seq = 60",),
        ("UPDATE entries SET seq = 60 WHERE seq = 61",),
        ("UPDATE entries SET seq = 61 WHERE seq = -1",),
    )
    verdict = run(demo)
    assert (verdict["code"], verdict["seq"]) == ("journal.corrupt", 60)


def last_of(payloads, kind):
    return max(seq for seq, payload in enumerate(payloads) if isinstance(event.decode(payload), kind))


def lie_about(world, kind, **changes):
    """The payloads with the last event of `kind` changed, and its number."""
    seq = last_of(world.journal, kind)
    before = event.decode(world.journal[seq])
    lie = replace(before, **{name: change(getattr(before, name)) for name, change in changes.items()})
    return [*world.journal[:seq], event.encode(lie), *world.journal[seq + 1 :]], seq


def flipped(value):
    return bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        pytest.param(event.Proposed, {"signature": flipped}, "signature.invalid", id="user's signature"),
        pytest.param(event.Proposed, {"sent": lambda nano: nano + 1}, "signature.invalid", id="fee or loss owned to"),
        pytest.param(event.Priced, {"mark": lambda tick: tick + 1}, "signature.invalid", id="price"),
        pytest.param(event.Priced, {"signatures": lambda all_: {0: all_[0]}}, "oracle.signers", id="oracle's quorum"),
        pytest.param(
            event.Priced,
            {"signatures": lambda all_: {place: flipped(one) for place, one in all_.items()}},
            "signature.invalid",
            id="oracle's signature",
        ),
        pytest.param(event.Closed, {"paid": lambda nano: nano - TON}, "audit.payout", id="payout withheld"),
        pytest.param(event.Closed, {"value_a": lambda nano: nano - TON}, "audit.payout", id="another end"),
        pytest.param(event.CloseProposed, {"sent_b": lambda nano: nano + 1}, "signature.invalid", id="close"),
        pytest.param(event.Funded, {"deposit_b": lambda nano: nano + 1}, "channel.deposit", id="room from nothing"),
        pytest.param(event.Proved, {"txid": flipped}, "settlement.unknown", id="proof of another settlement"),
        pytest.param(event.Opened, {"payout": lambda _: "0:zz"}, "address.form", id="payout wallet"),
        pytest.param(event.Priced, {"at_ms": lambda at_ms: at_ms - 10**6}, "audit.time", id="time"),
    ],
)
def test_a_relinked_lie_is_named_by_its_entry(tmp_path, world, kind, changes, code):
    payloads, seq = lie_about(world, kind, **changes)
    write(tmp_path, payloads)
    verdict = run(tmp_path)
    assert (verdict["verdict"], verdict["code"], verdict["seq"]) == ("rejected", code, seq)


@pytest.mark.parametrize("kind", [event.Proved, event.EpochProved])
def test_an_altered_proof_is_named_by_its_entry(tmp_path, world, kind):
    payloads, seq = lie_about(world, kind, proof=lambda proof: proof[:-1] + bytes([proof[-1] ^ 1]))
    write(tmp_path, payloads)
    verdict = run(tmp_path)
    assert (verdict["verdict"], verdict["seq"]) == ("rejected", seq)


def test_another_fee_from_the_founding_on_is_refused_by_what_users_signed(tmp_path, world):
    founded = event.decode(world.journal[0])
    first, *others = founded.listings
    dearer = dataclasses.replace(first.contract, taker_fee=first.contract.taker_fee + 100)
    payload = event.encode(replace(founded, listings=[replace(first, contract=dearer), *others]))
    write(tmp_path, [payload, *world.journal[1:]])
    verdict = run(tmp_path)
    assert verdict["verdict"] == "rejected"
    assert isinstance(event.decode(world.journal[verdict["seq"]]), event.Proposed)


# Beside the entries


def test_an_altered_checkpoint_is_named_by_its_entry(demo):
    for column in ("digest", "book_digest"):
        alter(demo / "service", (f"UPDATE checkpoints SET {column} = zeroblob(32) WHERE seq = 99",))
        verdict = run(demo)
        assert (verdict["code"], verdict["seq"]) == ("audit.checkpoint", 99)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE outbox SET frame = zeroblob(40) WHERE topic = ? AND number = 5",
        "UPDATE outbox SET number = 5000 WHERE topic = ? AND number = 5",
        "DELETE FROM outbox WHERE topic = ? AND number = 5",
    ],
)
def test_an_altered_letter_is_named_by_its_entry(demo, world, statement):
    channel_id = next(iter(world.users))
    causing = letter_entry(demo, channel_id, 5)
    alter(demo / "service", (statement, channel_id))
    verdict = run(demo)
    assert (verdict["code"], verdict["seq"]) == ("audit.outbox", causing)


def letter_entry(demo, channel_id, number):
    return next(each.entry for each in archive.letters(demo / "service") if each[:2] == (channel_id, number))


def test_letters_and_checkpoints_of_entries_that_are_not_there_are_refused(demo):
    alter(demo / "service", ("INSERT INTO outbox VALUES (x'00', 1, 100000, x'00')",))
    assert run(demo)["code"] == "audit.outbox"
    alter(
        demo / "service",
        ("DELETE FROM outbox WHERE entry = 100000",),
        ("UPDATE checkpoints SET seq = 9999 WHERE seq = 99",),
    )
    assert run(demo)["code"] == "audit.checkpoint"


# Users' records


def rewrite(demo, world, channel_id, seqno, change):
    """Put `change` of the service's half `seqno` into its user's record."""
    place = list(world.users).index(channel_id)
    with closing(sqlite3.connect(demo / "traders" / f"{place}.sqlite")) as database, database:
        query = "SELECT number, payload FROM entry WHERE side = 'B' AND seqno = ?"
        number, payload = database.execute(query, (seqno,)).fetchone()
        said = change(wire.decode_reply(payload))
        values = wire.encode(said), getattr(said, "seqno", 1), number
        database.execute("UPDATE entry SET payload = ?, seqno = ? WHERE number = ?", values)


def resigned(world, said, **changes):
    """`said` with `changes`, under the service's true signature."""
    told = replace(said, **changes)
    journaled = (event.decode(payload) for payload in world.journal)
    cited = next(
        each
        for each in journaled
        if isinstance(each, event.Proposed) and (each.channel_id, each.seqno) == (told.channel_id, told.cites)
    )
    body = Body(told.seqno, told.sent, told.conditionals_hash)
    answered = Body(cited.seqno, cited.sent, cited.conditionals_hash)
    half = Half(int.from_bytes(told.channel_id), body, answered)
    return replace(told, signature=sign(world, told.channel_id, half))


@pytest.fixture(scope="module")
def filled(world):
    """A push with a receipt, of a channel that has more after it."""
    found = [wanted for wanted in world.effects if isinstance(wanted, effect.Push) and wanted.receipts]
    return pushed(world, next(wanted for wanted in found if wanted.half.cited > 1))


def test_a_second_half_under_one_seqno_is_equivocation(demo, world, filled):
    rewrite(demo, world, filled.channel_id, filled.seqno, lambda said: resigned(world, said, sent=said.sent + TON))
    verdict = run(demo)
    assert (verdict["code"], verdict["seq"]) == (
        "audit.equivocation",
        letter_entry(demo, filled.channel_id, filled.seqno),
    )


def test_a_half_that_the_journal_never_comes_to_is_withheld(demo, world, filled):
    rewrite(demo, world, filled.channel_id, filled.seqno, lambda said: resigned(world, said, seqno=said.seqno + 10_000))
    assert run(demo)["code"] == "audit.withheld"


def test_another_receipt_is_named_by_the_entry_of_its_fill(demo, world, filled):
    rewrite(
        demo,
        world,
        filled.channel_id,
        filled.seqno,
        lambda said: replace(said, receipts=[flipped(one) for one in said.receipts]),
    )
    verdict = run(demo)
    assert (verdict["code"], verdict["seq"]) == ("audit.receipt", letter_entry(demo, filled.channel_id, filled.seqno))


def test_a_half_that_nobody_signed_is_the_records_fault(demo, world, filled):
    rewrite(demo, world, filled.channel_id, filled.seqno, lambda said: replace(said, sent=said.sent + 1))
    assert run(demo)["code"] == "audit.record"
    rewrite(demo, world, filled.channel_id, filled.seqno, lambda said: replace(said, signature=bytes(64)))
    assert run(demo)["code"] == "audit.record"


def test_a_fill_at_another_price_than_the_user_was_told_is_named(demo, world, filled):
    def told(said):
        changes = [
            replace(change, price=change.price + 1) if hasattr(change, "price") else change for change in said.changes
        ]
        return replace(said, changes=changes)

    rewrite(demo, world, filled.channel_id, filled.seqno, told)
    assert run(demo)["code"] == "audit.record"


def test_a_journal_cut_off_and_sealed_anew_is_missed_by_who_holds_more(demo, world):
    shutil.rmtree(demo / "service")
    write(demo / "service", world.journal[:30])
    assert run(demo)["code"] == "audit.withheld"


def test_a_forged_deposit_is_missed_by_who_made_it(demo, world):
    seq = last_of(world.journal, event.Funded)
    before = event.decode(world.journal[seq])
    forged = replace(before, deposit_a=before.deposit_a + TON, deposit_b=before.deposit_b + 10 * TON)
    shutil.rmtree(demo / "service")
    write(demo / "service", [*world.journal[:seq], event.encode(forged)])
    (demo / "service" / archive.MANIFEST).unlink()
    with closing(sqlite3.connect(demo / "traders" / "4.sqlite")) as database, database:
        database.execute("DELETE FROM entry WHERE side = 'B' AND seqno > 1")
    for place in range(4):
        (demo / "traders" / f"{place}.sqlite").unlink()
    verdict = run(demo)
    assert (verdict["code"], verdict["seq"]) == ("audit.deposit", seq)


def test_a_half_of_the_user_that_he_never_wrote_down_is_named(demo, world, filled):
    place = list(world.users).index(filled.channel_id)
    with closing(sqlite3.connect(demo / "traders" / f"{place}.sqlite")) as database, database:
        query = "SELECT number, payload FROM entry WHERE side = 'A' AND seqno = 4"
        number, payload = database.execute(query).fetchone()
        said = wire.decode_request(payload)
        assert isinstance(said, Said)
        lie = wire.encode(replace(said, cites=said.cites + 1))
        database.execute("UPDATE entry SET payload = ? WHERE number = ?", (lie, number))
    assert run(demo)["code"] == "audit.proposal"


def test_a_damaged_record_is_no_lie_of_the_service(demo):
    (demo / "traders" / "0.sqlite").write_bytes(b"not a database" * 1000)
    verdict = run(demo)
    assert (verdict["verdict"], verdict["code"]) == ("unreadable", "store.corrupt")
