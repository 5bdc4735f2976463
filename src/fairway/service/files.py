"""Private files, replaced whole: what a crash leaves is the old file or the new one."""

from __future__ import annotations

import os
from pathlib import Path

from fairway.errors import Unavailable

__all__ = ["make_private_folder", "read_private", "write_private"]


def make_private_folder(folder: Path) -> None:
    """Create `folder` for its owner only, unless it is there; `Unavailable` (`files.folder`) where that fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable("files.folder", f"cannot make the folder {folder}: {error.strerror}") from error


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, mode 0600, durable on return; `Unavailable` (`files.write`) where that fails."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise Unavailable("files.write", f"cannot write {path}: {error.strerror}") from error


def read_private(path: Path) -> bytes:
    """The content of `path`; `Unavailable`: `files.read`, or `files.mode` where others may read it too."""
    try:
        if path.stat().st_mode & 0o077:
            raise Unavailable("files.mode", f"{path} is open to other users; run: chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise Unavailable("files.read", f"cannot read {path}: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
