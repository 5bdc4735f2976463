"""Mutants that mutmut does not make: of constants, defaults, enumerations and properties, by mutmut's own operators.

Each is written into a copy of the tree, and pytest is run on the tests of its package. Prints what no test caught.

    python -m benchmarks.outside [package ...]
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import signal
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import hypothesis  # noqa: F401 - loaded once, for every fork
import libcst as cst
import msgspec  # noqa: F401
import nacl.bindings  # noqa: F401
import pytest
import pytoniq_core  # noqa: F401
import tonpy  # noqa: F401
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import Mutation, MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

CONFIG = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
NAMES_ONLY = {"__all__", "__slots__"}


class Outside(MutationVisitor):
    """Every mutation, of decorated functions too."""

    def __init__(self) -> None:
        super().__init__(mutation_operators, IgnoredCode(set(), set(), set()))

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Assign) and isinstance(node.targets[0].target, cst.Name):
            called = node.value.func if isinstance(node.value, cst.Call) else None
            is_type = isinstance(called, cst.Name) and called.value == "NewType"
            return is_type or node.targets[0].target.value in NAMES_ONLY
        return not isinstance(node, cst.FunctionDef) and super()._skip_node_and_children(node)


def is_outside(mutation: Mutation) -> bool:
    """Whether mutmut leaves it out."""
    inside = mutation.contained_by_top_level_function
    if not isinstance(inside, cst.FunctionDef):
        return True
    names = [each.decorator.value for each in inside.decorators if isinstance(each.decorator, cst.Name)]
    return bool(inside.decorators) and names[0] not in {"staticmethod", "classmethod"}


def changed(path: Path) -> Iterator[str]:
    """The file with each of the changes."""
    module = MetadataWrapper(cst.parse_module(path.read_text("utf-8")), unsafe_skip_copy=True)
    visitor = Outside()
    module.visit(visitor)
    for mutation in filter(is_outside, visitor.mutations):
        code = module.module.deep_replace(mutation.original_node, mutation.mutated_node)
        assert isinstance(code, cst.Module)
        yield code.code


def difference(before: str, after: str) -> list[str]:
    """The changed lines."""
    lines = unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:3] not in {"---", "+++"} and line[:2] != "@@"]


def is_caught(tree: Path, package: str, *, is_first: bool = False) -> bool:
    """Whether a test of the package fails, in a fork of this process, which has all but our own code loaded."""
    tests = [test for test in CONFIG["pytest_add_cli_args_test_selection"] if package in test]
    tests += [test for test in CONFIG["pytest_add_cli_args_test_selection"] if package == "channel" and "cells" in test]
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    os.chdir(tree)
    sys.path[:0] = [str(tree / "src"), str(tree)]
    sys.dont_write_bytecode = not is_first
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    signal.alarm(300)
    code = 1
    try:
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *CONFIG["pytest_add_cli_args"], *tests]))
    finally:
        os._exit(code)


def main() -> None:
    """Runs them all."""
    asked = sys.argv[1:] or ["units", "risk", "vault", "channel"]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in ("src", "tests", "docs"):
            shutil.copytree(name, tree / name)
        shutil.copy("pyproject.toml", tree)
        # By hash: two mutants of one size and second would pass for one another by their times.
        compileall.compile_dir(tree, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
        for package in asked:
            made = caught = 0
            if is_caught(tree, package, is_first=True):
                raise SystemExit("the tests fail where nothing is changed")
            for path in sorted(each for pattern in CONFIG["only_mutate"] for each in Path().glob(pattern)):
                if package not in path.parts and path.stem != package:
                    continue
                before = path.read_text("utf-8")
                for after in changed(path):
                    lines = difference(before, after)
                    (tree / path).write_text(after, "utf-8")
                    made += 1
                    if is_caught(tree, package):
                        caught += 1
                    else:
                        print(path, *lines, sep="\n", flush=True)
                (tree / path).write_text(before, "utf-8")
            print(f"{package}: {caught} of {made}", flush=True)


if __name__ == "__main__":
    main()
