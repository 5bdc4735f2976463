"""One decoder led by the coverage of its own code: libFuzzer finds what random alterations would not in years.

Every module of ours is instrumented as it is imported, so this one must be the first to import any of them. What
compiled code reads (msgspec's messages) shows no coverage: there altered samples are all there is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["fairway"]):
    from fuzz.decoders import DECODERS, check

__all__ = ["run"]

LONGEST = 1 << 16


def run(name: str, runs: int) -> None:
    """Feed the decoder `name`; ends the process, with libFuzzer's report of the input at a finding."""
    (decoder,) = (each for each in DECODERS if each.name == name)

    def one(data: bytes) -> None:
        check(decoder, data)

    with TemporaryDirectory() as corpus:
        for number, sample in enumerate(decoder.samples()):
            (Path(corpus) / str(number)).write_bytes(sample)
        atheris.Setup([sys.argv[0], f"-runs={runs}", f"-max_len={LONGEST}", "-print_final_stats=1", corpus], one)
        atheris.Fuzz()
