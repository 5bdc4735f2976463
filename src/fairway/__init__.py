"""Fairway: a self-custodial perpetual-futures exchange; every trade is co-signed, every settlement is proven.

A user opens a `channel`, the `market` matches an order, `risk` checks it, the `exchange` writes it down and both sides
sign; `settlement` proves it in the `zkvm`; the `service` does the I/O. Imports point down only: docs/architecture.md.
"""

__version__ = "0.1.0"
