"""`make bench`: every benchmark in turn. Each runs by itself too, and says how in its own words."""

from __future__ import annotations

from benchmarks import epochs, matching, proofs

if __name__ == "__main__":
    matching.main([])
    proofs.main()
    epochs.main()
