"""The machine port over node's `@ton/sandbox`: another build of the TVM, to hold the first one against."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from tonpy.utils.shard_account import get_empty_shard_account

from fairway.chain.interface import StackValue
from fairway.chain.tvm import Outcome, TonpyTvm
from fairway.errors import Rejected
from fairway.ton.cells import from_boc

CONTRACTS = Path(__file__).parents[2] / "contracts"


def is_installed() -> bool:
    """Whether node and its packages are at hand."""
    return shutil.which("node") is not None and (CONTRACTS / "node_modules/@ton/sandbox").is_dir()


class SandboxTvm:
    """See `fairway.chain.tvm.Tvm`. One process of node, asked over its standard input."""

    def __init__(self) -> None:
        self._node = subprocess.Popen(
            ["node", "sandbox.mjs"], cwd=CONTRACTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask(op="configure", config=_text(files("fairway.chain").joinpath("config.boc").read_bytes()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._node.stdin.close()
        self._node.wait()
        self._node.stdout.close()

    def transact(self, account: bytes | None, message: bytes, now: int, lt: int) -> Outcome:
        before = get_empty_shard_account().to_boc() if account is None else _text(account)
        said = self._ask(op="transact", account=before, message=_text(message), now=now, lt=str(lt))
        if "refused" in said:
            raise Rejected("chain.refused", said["refused"], exit_code=said["exit_code"])
        return Outcome(b64decode(said["account"]), b64decode(said["transaction"]))

    def run_get(
        self,
        code: bytes,
        data: bytes,
        address: str,
        balance: int,
        now: int,
        method: str,
        arguments: Sequence[StackValue],
    ) -> tuple[StackValue, ...]:
        account = {"code": _text(code), "data": _text(data), "address": address, "balance": str(balance)}
        stack = [_item(argument) for argument in arguments]
        said = self._ask(op="get", now=now, method=method, stack=stack, **account)
        if said["exit_code"] not in {0, 1}:
            raise Rejected("chain.get_failed", "a get method threw", method=method, exit_code=said["exit_code"])
        return tuple(_value(item) for item in said["stack"])

    def _ask(self, **question: Any) -> dict[str, Any]:
        self._node.stdin.write(json.dumps(question) + "\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        assert line, "the sandbox has ended"
        return json.loads(line)


class Twin:
    """Executes everything on both machines, and answers what they agree on."""

    def __init__(self, second: SandboxTvm) -> None:
        self.first, self.second = TonpyTvm(), second
        self.transactions = self.answers = 0

    def transact(self, account: bytes | None, message: bytes, now: int, lt: int) -> Outcome:
        try:
            done = self.first.transact(account, message, now, lt)
        except Rejected:
            with pytest.raises(Rejected):
                self.second.transact(account, message, now, lt)
            raise
        other = self.second.transact(account, message, now, lt)
        assert from_boc(other.transaction).hash == from_boc(done.transaction).hash
        assert from_boc(other.account).hash == from_boc(done.account).hash
        self.transactions += 1
        return done

    def run_get(
        self,
        code: bytes,
        data: bytes,
        address: str,
        balance: int,
        now: int,
        method: str,
        arguments: Sequence[StackValue],
    ) -> tuple[StackValue, ...]:
        said = self.first.run_get(code, data, address, balance, now, method, arguments)
        other = self.second.run_get(code, data, address, balance, now, method, arguments)
        assert [_plain(value) for value in other] == [_plain(value) for value in said]
        self.answers += 1
        return said


def _plain(value: StackValue) -> object:
    if isinstance(value, bytes):
        return from_boc(value).hash
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _text(boc: bytes) -> str:
    return b64encode(boc).decode()


def _item(value: StackValue) -> Any:
    match value:
        case int():
            return {"int": str(value)}
        case bytes():
            return {"cell": _text(value)}
        case tuple():
            return {"tuple": [_item(item) for item in value]}
    return None


def _value(item: Any) -> StackValue:
    if item is None:
        return None
    if "int" in item:
        return int(item["int"])
    return tuple(_value(one) for one in item["tuple"]) if "tuple" in item else b64decode(item["cell"])
