"""Files of the state directory: private to the terminal's user, and written whole or not at all.

What stands in them is the business of `device_key`, `enrolment` and `pending`.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from mykey_terminal.errors import StateError, UnsafePermissionsError

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private_directory(path: Path) -> None:
    """Make `path` with mode 0700, or check that it is private already. Raises `StateError`."""
    try:
        path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"cannot make the folder ({error.strerror})", path=path) from error
    check_private(path)


def check_private(path: Path) -> None:
    """Refuse a file or folder that is a link, belongs to somebody else, or opens to group or others."""
    try:
        info = path.lstat()
    except OSError as error:
        raise StateError(f"cannot be read ({error.strerror})", path=path) from error
    if stat.S_ISLNK(info.st_mode):
        raise UnsafePermissionsError("must not be a symbolic link", path=path)
    if not hasattr(os, "geteuid"):  # Windows guards files by access lists, not by mode
        return
    if info.st_uid != os.geteuid():
        raise UnsafePermissionsError("belongs to another user", path=path)
    if info.st_mode & _OTHERS:
        wanted = PRIVATE_DIRECTORY if stat.S_ISDIR(info.st_mode) else PRIVATE_FILE
        raise UnsafePermissionsError(f"must have mode {wanted:04o} (chmod {wanted:o})", path=path)


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 atomically and durably: after a crash it is the old one or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        _write_durably(draft, content)
        draft.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise StateError(f"cannot be written ({error.strerror})", path=path) from error
    finally:
        draft.unlink(missing_ok=True)


def read_private(path: Path) -> bytes:
    """Read a file after checking that it and its folder are private."""
    check_private(path.parent)
    check_private(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise StateError(f"cannot be read ({error.strerror})", path=path) from error


def _write_durably(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_directory(path: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
