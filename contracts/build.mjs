// Compiles every contract here to src/fairway/ton/compiled/<name>.json: the code as a BOC, its hash, and the hash of
// all sources that went into it. A file that defines an entry point is a contract; the others are imported by them.
// `node build.mjs [directory [name ...]]` writes elsewhere and only some, for tests; `--fift <name ...>` prints assembly.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { runTolkCompiler } from "@ton/tolk-js";

const here = dirname(fileURLToPath(import.meta.url));
const ENTRY = /^fun (onInternalMessage|main)\(/m;
const OWN_SOURCE = (file) => !file.filename.startsWith("@stdlib/");

const read = (path) => readFileSync(resolve(here, path), "utf8");

async function compile(file) {
  const result = await runTolkCompiler({ entrypointFileName: file, fsReadCallback: read });
  if (result.status === "error") throw new Error(`${file}: ${result.message}`);
  return result;
}

function describe(name, { codeBoc64, codeHashHex, sourcesSnapshot }) {
  const sources = sourcesSnapshot.filter(OWN_SOURCE).map((file) => [basename(file.filename), file.contents]);
  sources.sort(([left], [right]) => (left < right ? -1 : 1));
  const digest = createHash("sha256");
  for (const [file, contents] of sources) digest.update(`${file}\0${contents}\0`);
  return {
    name,
    boc_hex: Buffer.from(codeBoc64, "base64").toString("hex"),
    code_hash: codeHashHex.toLowerCase(),
    source_sha256: digest.digest("hex"),
    sources: sources.map(([file]) => file),
  };
}

const [, , ...args] = process.argv;
if (args[0] === "--fift") {
  for (const name of args.slice(1)) process.stdout.write((await compile(`${name}.tolk`)).fiftCode);
} else {
  const target = args[0] ?? join(here, "../src/fairway/ton/compiled");
  mkdirSync(target, { recursive: true });
  const entries = readdirSync(here).filter((file) => file.endsWith(".tolk") && ENTRY.test(read(file)));
  const names = entries.map((file) => basename(file, ".tolk")).sort();
  for (const name of names.filter((name) => args.length < 2 || args.includes(name, 1))) {
    const file = `${name}.tolk`;
    writeFileSync(join(target, `${name}.json`), `${JSON.stringify(describe(name, await compile(file)), null, 2)}\n`);
  }
}
