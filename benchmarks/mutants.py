"""What `mutmut run` left in `mutants/`: the score of each package, and every mutant that no test caught.

A mutant that changes nothing but the sentence of an error is not counted: people read sentences, nothing else does.
The error's class, its code and its facts are.

    python -m benchmarks.mutants             the table
    python -m benchmarks.mutants survivors   and the changed lines of those that are left
"""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

ROOT = Path("mutants/src/fairway")
ERRORS = {"IllegalTransition", "InvalidMessage", "Rejected", "Unavailable"}
CAUGHT = {1, 3, 24, -24, 36, 152, 255}  # failed, or never came to an end
LEFT = {0, 5, 33}  # passed, or no test came there


class Mutant(NamedTuple):
    """One change of one function."""

    package: str
    name: str
    exit_code: int | None
    original: str
    changed: str

    @property
    def is_prose(self) -> bool:
        """Whether only the sentence of an error differs."""
        return _without_sentences(self.original) == _without_sentences(self.changed)

    def difference(self) -> str:
        """The changed lines."""
        lines = unified_diff(self.original.splitlines(), self.changed.splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if line[:3] not in {"---", "+++"} and line[:2] != "@@")


class _Sentences(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ERRORS and len(node.args) == 2:
            node.args[1] = ast.Constant("")
        return node


def _without_sentences(source: str) -> str:
    return ast.dump(_Sentences().visit(ast.parse(source)))


def mutants() -> Iterator[Mutant]:
    """Every mutant that was made, in the order of the files."""
    for path in sorted(ROOT.rglob("*.py.meta")):
        results = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        spans = json.loads(path.with_suffix(".spans").read_text("utf-8"))["spans"]
        lines = path.with_suffix("").read_text("utf-8").splitlines()
        package = path.relative_to(ROOT).parts[0].removesuffix(".py.meta")
        for key, exit_code in results.items():
            module, _, name = key.rpartition(".")
            function = name.rpartition("__mutmut_")[0]
            original = _source(lines, spans[f"{function}__mutmut_orig"], f"{function}__mutmut_orig")
            yield Mutant(package, f"{module}.{name}", exit_code, original, _source(lines, spans[name], name))


def _source(lines: list[str], span: tuple[int, int], name: str) -> str:
    first, last = span
    body = lines[first - 1 : last]
    indent = min(len(line) - len(line.lstrip()) for line in body if line.strip())
    return "\n".join(line[indent:] for line in body).replace(name, "function", 1)


def main() -> None:
    """Prints the table and, if asked, what is left."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    left: list[Mutant] = []
    for mutant in mutants():
        if mutant.is_prose:
            kind = "prose"
        elif mutant.exit_code in CAUGHT:
            kind = "caught"
        elif mutant.exit_code in LEFT:
            kind = "left"
            left.append(mutant)
        else:
            kind = "unknown"
        counts[mutant.package][kind] += 1
    print(f"{'package':10} {'mutants':>8} {'caught':>8} {'left':>6} {'score':>8}   (sentences, not judged)")
    for package, count in sorted(counts.items()):
        judged = count["caught"] + count["left"]
        score = f"{100 * count['caught'] / judged:.1f} %" if judged else "—"
        others = f"({count['prose']}, {count['unknown']})"
        print(f"{package:10} {judged:8} {count['caught']:8} {count['left']:6} {score:>8}   {others}")
    if sys.argv[1:] == ["survivors"]:
        for mutant in left:
            print(f"\n{mutant.name}{' (no test)' if mutant.exit_code else ''}\n{mutant.difference()}")


if __name__ == "__main__":
    main()
