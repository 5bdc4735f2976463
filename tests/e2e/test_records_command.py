"""What a venue publishes is vouched for without its journal, and a view key opens exactly what was committed to."""

from __future__ import annotations

import json

import pytest
from audit_stage import lived, write
from msgspec.structs import replace
from typer.testing import CliRunner

from fairway.audit.lie import Lie
from fairway.audit.records import check, decode, encode
from fairway.cli.app import app
from fairway.cli.records import read_view_key
from fairway.crypto.pedersen import Opening
from fairway.crypto.viewing import open_box, seal_for, view_key
from fairway.errors import InvalidMessage, Rejected
from fairway.settlement.solvency import DOMAIN as SHOWN
from fairway.settlement.wire import Reader, pack_openings
from fairway.units import TON


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("venue")
    world = lived()
    write(made / "service", world.journal)
    key = run("records", "key", made / "view.key").output.strip()
    assert run("records", "publish", made / "service", made / "plain.records").exit_code == 0
    assert run("records", "publish", made / "service", made / "boxed.records", "--for", key).exit_code == 0
    return made


@pytest.fixture
def boxed(folder):
    return decode((folder / "boxed.records").read_bytes())


@pytest.fixture
def seed(folder):
    return read_view_key(folder / "view.key")


def verdict(folder, name, *options):
    return json.loads(run("audit", folder / name, "--json", *options).output)


def test_anyone_vouches_for_the_records_from_the_first_money_on(folder):
    seen = verdict(folder, "plain.records")
    assert seen["verdict"] == "accepted"
    assert seen["records"] > seen["proofs"] > 5
    assert (seen["epochs"], seen["showings"], seen["opened"], seen["worths"]) == (2, 1, 0, [])


def test_a_view_key_opens_them_and_tells_what_the_pool_is_worth(folder):
    seen = verdict(folder, "boxed.records", "--view-key", folder / "view.key")
    assert seen["verdict"] == "accepted"
    assert seen["opened"] > 5
    (worth,) = seen["worths"]
    assert worth["nav"] >= 100_000 * TON == worth["shares"]
    assert "worth" in run("audit", folder / "boxed.records", "--view-key", folder / "view.key").output


def test_the_bundle_of_a_view_key_tells_nobody_else_more(folder, boxed):
    plain = decode((folder / "plain.records").read_bytes())
    assert [replace(each, box=b"") for each in boxed.groups] == plain.groups
    with pytest.raises(Lie, match=r"view\.box"):
        check(boxed, bytes(32))
    with pytest.raises(Lie, match=r"view\.box"):
        check(plain, bytes(32))


def changed(bundle, number, **values):
    groups = list(bundle.groups)
    groups[number] = replace(groups[number], **values)
    return replace(bundle, groups=groups)


def test_openings_of_other_values_are_named(boxed, seed):
    """The planted lie: a pool that shows an auditor another net worth than it committed to."""
    number = next(n for n, each in enumerate(boxed.groups) if each.record.startswith(SHOWN))
    content = open_box(seed, boxed.groups[number].box)
    reader = Reader(content)
    known = list(reader.openings(len(content) // 64))
    known[-2] = Opening(known[-2].value + 1, known[-2].blinding)
    lie = changed(boxed, number, box=seal_for(view_key(seed), pack_openings(known), b"e" * 32))
    with pytest.raises(Lie, match=r"records\.openings"):
        check(lie, seed)
    check(lie)


LIES = {
    "a record left out": lambda bundle: replace(bundle, groups=bundle.groups[:1] + bundle.groups[2:]),
    "a record twice": lambda bundle: replace(bundle, groups=[bundle.groups[0], *bundle.groups]),
    "two exchanged": lambda bundle: replace(bundle, groups=[*bundle.groups[1::-1], *bundle.groups[2:]]),
    "another proof": lambda bundle: changed(bundle, 1, record=flipped(bundle.groups[1].record, -40)),
    "another kind": lambda bundle: changed(bundle, 1, record=flipped(bundle.groups[1].record, 0)),
    "no epoch": lambda bundle: replace(bundle, epochs=bundle.epochs[:1]),
    "an epoch that skips": lambda bundle: replace(bundle, epochs=bundle.epochs[1:]),
    "another's ranges": lambda bundle: replace(
        bundle, epochs=[bundle.epochs[0], replace(bundle.epochs[1], proof=bundle.epochs[0].proof)]
    ),
    "another beginning": lambda bundle: replace(bundle, pool=bundle.pool[:-1] + bytes([1])),
}


def flipped(content, place):
    altered = bytearray(content)
    altered[place] ^= 1
    return bytes(altered)


@pytest.mark.parametrize("name", LIES)
def test_a_lie_in_the_records_is_named(boxed, name):
    with pytest.raises(Lie):
        check(LIES[name](boxed))


def test_bytes_that_are_no_bundle_are_refused(folder, tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    assert verdict(tmp_path, "x")["code"] == "records.format"
    assert decode(encode(decode((folder / "plain.records").read_bytes()))).epochs


def test_a_box_is_opened_by_its_key_alone_and_never_altered():
    box = seal_for(view_key(b"a" * 32), b"openings", b"e" * 32)
    assert open_box(b"a" * 32, box) == b"openings"
    with pytest.raises(Rejected, match=r"view\.box"):
        open_box(b"b" * 32, box)
    for wrong in (flipped(box, 5), flipped(box, -1), b""):
        with pytest.raises(Rejected, match=r"view\.box"):
            open_box(b"a" * 32, wrong)
    with pytest.raises(InvalidMessage, match=r"view\.key"):
        seal_for(b"short", b"x", b"e" * 32)


def test_a_view_key_is_never_made_over_another(folder):
    assert run("records", "key", folder / "view.key").exit_code == 1
