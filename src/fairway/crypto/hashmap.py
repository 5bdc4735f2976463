"""A `HashmapE 32` that is hashed as it changes: immutable, and native, because one names every half of every channel.

A change of a half makes some ten cells anew, each a hash over a label, two depths and two hashes. In Python that took a
third of what an order costs (docs/adr/0028-a-half-s-dictionary-is-native.md).
"""

from __future__ import annotations

from fairway._core import Hashmap

__all__ = ["Hashmap"]
