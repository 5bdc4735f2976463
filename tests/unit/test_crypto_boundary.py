"""The Rust core is entered in `fairway.crypto` only. The import linter cannot see a compiled module, so we look."""

import ast
from pathlib import Path

import fairway
from fairway.crypto import _boundary

SOURCE = Path(fairway.__file__ or next(iter(fairway.__path__))).resolve()
PACKAGE = SOURCE if SOURCE.is_dir() else SOURCE.parent


def enters_core(source: str) -> bool:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(name.name == "fairway._core" for name in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (
            node.module == "fairway._core"
            or (node.module == "fairway" and any(name.name == "_core" for name in node.names))
        ):
            return True
    return False


def test_the_core_is_entered_by_crypto_alone():
    entering = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if enters_core(path.read_text())}
    assert entering == {
        "crypto/_boundary.py",
        "crypto/hashmap.py",
        "crypto/keys.py",
        "crypto/pedersen.py",
        "crypto/r1cs.py",
        "crypto/ranges.py",
    }


def test_the_look_sees_every_way_in():
    for line in ("import fairway._core", "from fairway import _core", "from fairway._core import combine"):
        assert enters_core(line)
    assert not enters_core("from fairway import crypto")


def test_every_fault_of_the_core_has_an_error_of_ours():
    assert set(_boundary.BY_FAULT) == {"encoding", "proof", "witness"}
