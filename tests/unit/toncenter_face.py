"""A server of toncenter's HTTP interface, version 2, over a chain in this process, so that answers are true.

Paths, fields and spelling follow the interface's OpenAPI pages (docs.ton.org/ecosystem/api/toncenter/v2) and tonlib's
`raw.*` types, which it passes on: numbers as text, cells and hashes in Base64, `ok` beside `result` or `error`, and for
a message that its contract does not accept, status 500 with the lite server's words. `spoil` makes it misbehave.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64decode, b64encode
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from pytoniq_core.tlb.transaction import Transaction as TransactionCell

from fairway.chain.local import LocalChain
from fairway.chain.router import Router
from fairway.chain.tvm import TonpyTvm
from fairway.errors import FairwayError, Rejected
from fairway.ton.cells import from_boc

STATES = {"active": "active", "frozen": "frozen", "uninit": "uninitialized", "absent": "uninitialized"}
REASONS = {200: "OK", 429: "Too Many Requests", 422: "Unprocessable", 500: "Server Error", 502: "Bad Gateway"}


class RememberingTvm(TonpyTvm):
    """The machine, keeping every transaction's cell: a chain keeps records, a server shows cells."""

    def __init__(self):
        super().__init__()
        self.cells = {}

    def transact(self, account, message, now, lt):
        outcome = super().transact(account, message, now, lt)
        self.cells[from_boc(outcome.transaction).hash] = outcome.transaction
        return outcome


class Face:
    """The server. `spoil(name, parameters)` may return (status, headers, body) to say instead, or None."""

    def __init__(self, path=None, clock=None):
        self.tvm = RememberingTvm()
        options = {} if clock is None else {"clock": clock}
        self.chain = LocalChain(Router(path, tvm=self.tvm, **options))
        self.spoil = lambda name, parameters: None
        self.config = self.tvm.config
        self.page = 2
        self.asked = []
        self.keys = []
        self.seqno = 1000

    async def answer(self, name, parameters):
        self.asked.append(name)
        spoilt = self.spoil(name, parameters)
        if spoilt is not None:
            return spoilt
        try:
            return 200, {}, _json({"ok": True, "result": await getattr(self, _snake(name))(**parameters)})
        except Rejected as refused:
            text = (
                "LITE_SERVER_UNKNOWN: cannot apply external message to current state : External message was not "
                "accepted\nCannot run message on account: inbound external message rejected by account 00:\n"
                f"exitcode={refused.facts.get('exit_code')}, steps=23, gas_used=0\n"
            )
            return 500, {}, _json({"ok": False, "error": text, "code": 500})
        except FairwayError as error:
            return 422, {}, _json({"ok": False, "error": error.message, "code": 422})

    async def get_address_information(self, address):
        account = await self.chain.get_account(address)
        history = await self.chain.transactions(address, account.last_lt - 1)
        return {
            "@type": "raw.fullAccountState",
            "balance": str(account.balance),
            "extra_currencies": [
                {"@type": "extraCurrency", "id": number, "amount": str(held)} for number, held in account.extra.items()
            ],
            "code": _text(account.code),
            "data": _text(account.data),
            "last_transaction_id": {
                "@type": "internal.transactionId",
                "lt": str(account.last_lt),
                "hash": _text(history[-1].digest if history else bytes(32)),
            },
            "block_id": {
                "@type": "ton.blockIdExt",
                "workchain": -1,
                "shard": "-9223372036854775808",
                "seqno": self.seqno,
                "root_hash": _text(bytes(32)),
                "file_hash": _text(bytes(32)),
            },
            "frozen_hash": "",
            "sync_utime": await self.chain.now(),
            "@extra": "1700000000.0:0:0.5",
            "state": STATES[account.status],
        }

    async def get_transactions(self, limit, **named):
        digest, page = b64decode(named["hash"]), []
        while digest in self.tvm.cells and len(page) < min(self.page, int(limit)):
            boc = self.tvm.cells[digest]
            cell = TransactionCell.deserialize(from_boc(boc).begin_parse())
            page.append({"@type": "raw.transaction", "utime": cell.now, "data": _text(boc), "fee": "0"})
            digest = cell.prev_trans_hash
        return page

    async def get_config_all(self):
        return {"@type": "configInfo", "config": {"@type": "tvm.cell", "bytes": _text(self.config)}}

    async def send_boc(self, boc):
        await self.chain.send_external(b64decode(boc))
        return {"@type": "ok", "@extra": "1700000000.0:0:0.5"}

    # HTTP

    @asynccontextmanager
    async def served(self):
        """The server on loopback; its URL."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/api/v2"
        finally:
            server.close()

    async def _connection(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            self.keys.append(headers.get("x-api-key"))
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            path, _, query = target.partition("?")
            parameters = json.loads(body) if method == "POST" else _query(query)
            status, more, content = await self.answer(path.removeprefix("/api/v2/"), parameters)
            lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Content-Length: {len(content)}"]
            lines += ["Connection: close", *(f"{key}: {value}" for key, value in more.items())]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
            await writer.drain()
        finally:
            writer.close()


def _snake(name):
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _query(text):
    return dict(parse_qsl(text))


def _json(value):
    return json.dumps(value).encode()


def _text(value):
    return b64encode(value or b"").decode()
