"""The transaction of the published ZkVM: a program, its effects on the world, one signature and one proof.

    transaction = version:LE64 mintime:LE64 maxtime:LE64 n:LE32 program:n signature:64 n:LE32 proof:n

`build` runs a program with its witness, `sign` adds what `signtx` asked for, `verify` accepts it all or raises. The
txid is that of the specification. The proof is strict: bound to the txid, the dialect, the header and the bytecode, not
to the txid alone. So proofs of other implementations do not verify here, nor ours there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from fairway.crypto import r1cs, relations, schnorr
from fairway.crypto.merlin import Transcript
from fairway.crypto.pedersen import Opening
from fairway.crypto.relations import Relation
from fairway.errors import InvalidMessage, Rejected
from fairway.zkvm import program, txlog
from fairway.zkvm.bincode import Reader
from fairway.zkvm.op import Dialect
from fairway.zkvm.program import Instruction
from fairway.zkvm.prover import Witness, prove_circuit
from fairway.zkvm.state import Delegate, Surroundings
from fairway.zkvm.txlog import Entry, Header
from fairway.zkvm.verifier import Public
from fairway.zkvm.vm import Circuit, Machine

__all__ = ["Effects", "Transaction", "Unsigned", "build", "decode", "execute", "sign", "verify", "verify_batch"]

DOMAIN = b"fairway.zkvm.tx.v1"
VERSION = 1
UNSIGNED = bytes(schnorr.SIGNATURE_BYTES)


@dataclass(frozen=True, slots=True)
class Effects:
    """What a transaction does, if its signature and proof hold; `signers` are (key, contract identity) pairs."""

    txid: bytes
    header: Header
    log: tuple[Entry, ...]
    fee: int
    signers: tuple[tuple[bytes, bytes], ...]
    circuit: Circuit


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as published."""

    header: Header
    program: bytes
    signature: bytes
    proof: bytes

    def encode(self) -> bytes:
        """The transaction's bytes."""
        return b"".join((_header(self.header), _sized(self.program), self.signature, _sized(self.proof)))


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A transaction with its proof, before those have signed whom `effects.signers` names."""

    header: Header
    program: bytes
    proof: bytes
    effects: Effects

    @property
    def txid(self) -> bytes:
        """What is to be signed."""
        return self.effects.txid


def decode(encoded: bytes) -> Transaction:
    """The transaction of which `encoded` is all. Errors: `InvalidMessage`."""
    reader = Reader(encoded)
    header = Header(*(int.from_bytes(reader.take(8), "little") for _ in Header._fields))
    code = reader.take(int.from_bytes(reader.take(4), "little"))
    signature = reader.take(schnorr.SIGNATURE_BYTES)
    proof = reader.take(int.from_bytes(reader.take(4), "little"))
    if reader.rest():
        raise InvalidMessage("zkvm.trailing", "a transaction has bytes after its end", offset=reader.offset)
    return Transaction(header, code, signature, proof)


def execute(code: bytes, header: Header, delegate: Delegate | None = None, dialect: Dialect = Dialect.ZKVM) -> Effects:
    """What a program does, without looking at signature or proof. Errors: `InvalidMessage`."""
    if header.version != VERSION:
        raise InvalidMessage("zkvm.version", "transactions have version 1", version=header.version)
    machine = Machine(delegate or Public(), (), Surroundings(dialect, header))
    circuit = machine.finish(program.decode(code, dialect))
    if not any(isinstance(entry, txlog.Input) for entry in machine.log):
        raise InvalidMessage("zkvm.anchor", "a transaction that claims nothing is not unique")
    identity = txlog.txid(header, machine.log)
    return Effects(identity, header, tuple(machine.log), machine.fee, tuple(machine.signers), circuit)


def build(
    instructions: Sequence[Instruction],
    header: Header,
    openings: Iterable[Opening],
    entropy: bytes,
    *,
    wires: Iterable[int] = (),
    dialect: Dialect = Dialect.ZKVM,
) -> Unsigned:
    """The transaction of a program, proven. Secret: `openings`, `wires`, `entropy` (32 bytes).

    Errors: `InvalidMessage` for a bad program; `Rejected` if the values do not satisfy it.
    """
    code = program.encode(instructions, dialect)
    witness = Witness.of(openings, wires)
    effects = execute(code, header, witness, dialect)
    proof = prove_circuit(effects.circuit, witness, _statement(effects, code, dialect), entropy)
    return Unsigned(header, code, proof, effects)


def sign(unsigned: Unsigned, secrets: Mapping[bytes, int], entropy: bytes) -> Transaction:
    """The transaction, signed by the secrets of the keys it names. Secret: `secrets`, `entropy`.

    Errors: `Rejected` where a key's secret is missing.
    """
    signers = unsigned.effects.signers
    if not all(key in secrets for key, _ in signers):
        raise Rejected("zkvm.secret_missing", "a key of the transaction cannot sign here")
    signature = UNSIGNED
    if signers:
        known = [secrets[key] for key, _ in signers]
        signature = schnorr.sign_multi(_signed(unsigned.txid), known, signers, entropy)
    return Transaction(unsigned.header, unsigned.program, signature, unsigned.proof)


def verify(transaction: Transaction, dialect: Dialect = Dialect.ZKVM) -> Effects:
    """The effects of a transaction that holds. Errors: `InvalidProof`, `InvalidMessage`."""
    return verify_batch([transaction], dialect)[0]


def verify_batch(transactions: Sequence[Transaction], dialect: Dialect = Dialect.ZKVM) -> list[Effects]:
    """The effects of transactions that all hold: one batch of proofs, one of all that they deferred.

    Whether the world has what they claim is not asked. Errors: `InvalidProof`, `InvalidMessage`.
    """
    done = [execute(each.program, each.header, dialect=dialect) for each in transactions]
    r1cs.verify_batch(
        [
            r1cs.Item(
                effects.circuit.tape,
                effects.circuit.commitments,
                _statement(effects, each.program, dialect),
                each.proof,
            )
            for each, effects in zip(transactions, done, strict=True)
        ]
    )
    relations.check_all([_deferred(each, effects) for each, effects in zip(transactions, done, strict=True)])
    return done


def _deferred(transaction: Transaction, effects: Effects) -> tuple[Relation, ...]:
    """What must be true of points: what the program deferred, and the signature."""
    if effects.signers:
        signed = schnorr.relation_multi(_signed(effects.txid), effects.signers, transaction.signature)
        return *effects.circuit.relations, signed
    if transaction.signature != UNSIGNED:
        raise InvalidMessage("zkvm.signature", "nobody is asked to sign this transaction")
    return effects.circuit.relations


def _signed(txid: bytes) -> Transcript:
    transcript = Transcript(b"ZkVM.signtx")
    transcript.append(b"txid", txid)
    return transcript


def _statement(effects: Effects, code: bytes, dialect: Dialect) -> bytes:
    name = dialect.value.encode()
    return DOMAIN + bytes([len(name)]) + name + effects.txid + _header(effects.header) + sha256(code).digest()


def _header(header: Header) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in header)


def _sized(content: bytes) -> bytes:
    return len(content).to_bytes(4, "little") + content
