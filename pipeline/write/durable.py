"""Files that are whole or absent, whatever happens: written aside, flushed to the disk, then renamed into place.

The order is that of restic and borg: write a temporary file, fsync it, rename it, fsync the folder. Modes are set by
hand, so that what is published does not depend on the umask.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from pipeline.errors import WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_MODE: Final = 0o644
FOLDER_MODE: Final = 0o755
TEMPORARY: Final = ".tmp"
HASH_BLOCK: Final = 1 << 20

_ADVICE: Final = {
    errno.ENOSPC: "free some space or choose another output folder",
    errno.EDQUOT: "free some space or choose another output folder",
    errno.EROFS: "choose an output folder on a disk that can be written",
    errno.EACCES: "choose an output folder that you may write",
    errno.EPERM: "choose an output folder that you may write",
    errno.EIO: "check the disk, then build again",
}


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn every failure of the file system inside the block into one line that names `place`.

    Raises:
        WriteError: the disk is full or read-only, the device fails, permission is missing.
    """
    try:
        yield
    except OSError as error:
        # Arrow puts a sentence of its own in the place of the system's.
        reason = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
        advice = _ADVICE.get(error.errno or 0, "choose another output folder or try again")
        msg = f"cannot write {place}: {reason}; {advice}"
        raise WriteError(msg) from error


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[IO[bytes]]:
    """A file to write that becomes `target` when the block ends well, and leaves nothing behind when it does not."""
    aside = target.with_name(f".{target.name}{TEMPORARY}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(aside, flags, FILE_MODE), "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), FILE_MODE)
            os.fsync(file.fileno())
        aside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def new_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(FOLDER_MODE)


def sync_folder(folder: Path) -> None:
    """Flush the names inside a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot flush a folder; there is nothing better to do on them.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below `folder` to the disk, itself included."""
    for place, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            handle = os.open(Path(place) / name, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(Path(place))


def remove(path: Path) -> None:
    """Delete a file, a link or a whole folder as well as possible; what cannot go now goes with the next build."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def file_digest(file: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex of a file."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb", buffering=0) as stream:
        while block := stream.read(HASH_BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _raise(error: OSError) -> None:
    raise error
