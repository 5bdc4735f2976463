"""Which network a chain is, by its own configuration: parameter 19 (its global ID) and 8 (its global version)."""

from __future__ import annotations

import msgspec
from pytoniq_core import HashMap

from fairway.errors import InvalidMessage
from fairway.ton.cells import Slice, from_boc

__all__ = ["Network", "read_network"]

GLOBAL_VERSION, GLOBAL_ID = 8, 19
CONFIG_KEY_BITS = 32
CAPABILITIES_TAG = 0xC4


class Network(msgspec.Struct, frozen=True):
    """A network's own word on itself. `version` says which instructions its machine has."""

    global_id: int
    version: int


def read_network(config: bytes) -> Network:
    """The network whose whole configuration `config` is; `InvalidMessage` with `chain.config` for anything else."""
    try:
        parameters = HashMap.parse(from_boc(config).begin_parse(), CONFIG_KEY_BITS)
        capabilities = _parameter(parameters, GLOBAL_VERSION)
        tag, version = capabilities.load_uint(8), capabilities.load_uint(32)
        global_id = _parameter(parameters, GLOBAL_ID).load_int(32)
    except Exception as error:
        raise InvalidMessage("chain.config", "this cell is not a configuration", reason=str(error)) from error
    if tag != CAPABILITIES_TAG:
        raise InvalidMessage("chain.config", "the configuration's global version has another tag", tag=tag)
    return Network(global_id, version)


def _parameter(parameters: dict[int, Slice], number: int) -> Slice:
    return parameters[number].copy().load_ref().begin_parse()
