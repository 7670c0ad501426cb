"""Who may write a file that root is to obey: nobody but root, from the file up to the top."""

import os
import stat
from pathlib import Path

from oakum.reconcile import Places


class Untrusted(Exception):
    """Somebody else may write it; the message says who, where, and what to do."""


def refuse_writers(path: Path, places: Places) -> None:
    """Raises Untrusted where somebody else may write a file or a folder above it; OSError."""
    if not path.is_absolute() or Path(os.path.normpath(path)) != path:
        raise Untrusted(f"{path}: give the plain absolute path")
    for step in (path, *path.parents):
        _refuse(step, step.lstat(), places.owner)
        if step == places.root:
            return


def contents(path: Path, places: Places, most: int) -> bytes:
    """The bytes of a regular file that nobody else may write.

    Raises:
        Untrusted: somebody may, it is no regular file, or larger than ``most`` bytes.
        OSError: it cannot be read.
    """
    refuse_writers(path, places)
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(number, "rb") as file:
        found = os.fstat(number)
        _refuse(path, found, places.owner)
        if not stat.S_ISREG(found.st_mode):
            raise Untrusted(f"{path}: is no regular file")
        data = file.read(most + 1)
    if len(data) > most:
        raise Untrusted(f"{path}: is larger than {most} bytes")
    return data


def _refuse(path: Path, found: os.stat_result, owner: int) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise Untrusted(f"{path}: is a symbolic link; give the path that it leads to")
    if found.st_uid != owner:
        raise Untrusted(f"{path}: belongs to user {found.st_uid}, not to root; chown root it")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Untrusted(
            f"{path}: mode {stat.S_IMODE(found.st_mode):o} lets others write it; chmod go-w it"
        )
