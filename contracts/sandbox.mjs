// The machine of @ton/sandbox, one question and one answer a line, as JSON: {"op": "transact" | "get", ...} with cells as
// base64 BOCs. The tests hold it against the machine that the package runs on (tests/contracts/sandbox.py).

import { createInterface } from "node:readline";

import core from "@ton/core";
import executor from "@ton/sandbox/dist/executor/Executor.js";

const SEED = Buffer.alloc(32);
const cell = (boc) => core.Cell.fromBase64(boc);

function read(item) {
  if (item.type === "int") return { int: item.value.toString() };
  if (item.type === "tuple") return { tuple: item.items.map(read) };
  if (item.type === "null") return null;
  return { cell: item.cell.toBoc().toString("base64") };
}

function write(item) {
  if (item === null) return { type: "null" };
  if ("int" in item) return { type: "int", value: BigInt(item.int) };
  if ("tuple" in item) return { type: "tuple", items: item.tuple.map(write) };
  return { type: "slice", cell: cell(item.cell) };
}

async function transact(machine, config, { account, message, now, lt }) {
  const { result } = await machine.runTransaction({
    config,
    libs: null,
    verbosity: "short",
    shardAccount: account,
    message: cell(message),
    now,
    lt: BigInt(lt),
    randomSeed: SEED,
    ignoreChksig: false,
    debugEnabled: false,
  });
  if (result.success) return { account: result.shardAccount, transaction: result.transaction };
  return { refused: result.error, exit_code: result.vmResults?.vmExitCode ?? null };
}

async function get(machine, config, { code, data, address, balance, now, method, stack }) {
  const { output } = await machine.runGetMethod({
    config,
    code: cell(code),
    data: cell(data),
    address: core.Address.parseRaw(address),
    unixTime: now,
    balance: BigInt(balance),
    randomSeed: SEED,
    gasLimit: 10_000_000n,
    methodId: core.getMethodId(method),
    stack: stack.map(write),
    verbosity: "short",
    debugEnabled: false,
  });
  if (!output.success) throw new Error(output.error);
  return { exit_code: output.vm_exit_code, stack: core.parseTuple(cell(output.stack)).map(read) };
}

const machine = await executor.Executor.create();
const answers = { transact, get };
let config = null;

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  if (question.op === "configure") config = question.config;
  const answer = question.op === "configure" ? {} : await answers[question.op](machine, config, question);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
