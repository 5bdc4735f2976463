"""The fuzzers find what is planted; a short run of each finds nothing; what they found once is refused for ever."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from fuzz import Wrong, api
from fuzz.decoders import DECODERS, Decoder, check
from fuzz.mutate import altered

from fairway.errors import InvalidMessage
from fairway.service.api import markets
from fairway.service.tape import newest

NEST = b"\x91" * 5_000
UNFED = {"configuration"}
"""Whose samples are of other things: nothing recorded here is one of these."""
NAMES = [each.name for each in DECODERS]


def named(name):
    (found,) = (each for each in DECODERS if each.name == name)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_understands_its_samples_and_of_altered_ones_says_nothing_but_its_refusals(name):
    decoder, random = named(name), Random(name)
    samples = decoder.samples()
    understood = sum(check(decoder, sample) for sample in samples)
    assert (understood > 0) != (name in UNFED)
    for _ in range(250):
        check(decoder, altered(samples, random))


def test_planted_a_decoder_that_lets_a_foreign_error_out_is_found():
    words = Decoder("planted", lambda data: {b"a": 1}[data[:1]], lambda: [b"a"], refusals=(InvalidMessage,))
    inputs = [altered([b"abc"], Random(number)) for number in range(100)]
    with pytest.raises(Wrong, match="KeyError"):
        assert all(check(words, data) in {True, False} for data in inputs)


def test_planted_a_decoder_that_takes_what_it_would_not_write_is_found():
    number = Decoder("planted", int, lambda: [b"7"], lambda value: str(value).encode(), (ValueError,))
    with pytest.raises(Wrong, match="otherwise"):
        check(number, b"007")


@pytest.mark.parametrize("name", ["wire request", "wire reply", "journal entry", "bundle"])
def test_parts_that_nest_without_end_are_refused(name):
    decoder = named(name)
    sample = decoder.samples()[0]
    longer = bytes([sample[0] + 1]) + sample[1:] if sample[0] < 0x9F else sample
    assert not check(decoder, longer + NEST + b"\xc0")


def test_a_name_that_is_no_text_is_refused():
    (sample,) = named("bundle").samples()
    assert not check(named("bundle"), sample.replace(b"fairway", b"\xf3irway", 1))


@pytest.mark.slow
def test_the_interface_keeps_to_its_own_description():
    tried = api.run(1, 3, http=False)
    assert tried.total() > 60
    assert {said.split()[2] for said in tried} >= {"200", "400", "404"}


def test_planted_a_handler_that_fails_is_found(monkeypatch):
    def failing(kept, limit):
        return newest(kept, limit) if limit < 2 else kept[limit]

    monkeypatch.setattr(markets, "newest", failing)
    with pytest.raises(Wrong, match=r"service\.fault"):
        api.run(1_000, 3, http=False)
