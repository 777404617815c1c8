"""Publish a dataset folder: readers see the former corpus or the new one, whatever happens in between.

    output/corpus      a link to .builds/<digest>; renaming a fresh link over it is the switch
    output/.builds/    the build that is published, the one before it, and the one that is being made
    output/.lock       held by the build that runs; the kernel lets go of it when the process dies

Nothing that the link points to is ever changed, so a kill, a full disk or a failing device at any moment leaves the
former corpus as it was. What a killed build leaves behind is removed by the next.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import LockedError, UsageError, WriteError
from pipeline.write import manifest
from pipeline.write.durable import (
    FILE_MODE,
    FOLDER_MODE,
    file_digest,
    new_folder,
    remove,
    sync_folder,
    sync_tree,
    writing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CORPUS: Final = "corpus"
BUILDS: Final = ".builds"
LOCK: Final = ".lock"
STAGING: Final = ".staging-"
FRESH_LINK: Final = ".corpus-"


def check_output(output: Path, inputs: Iterable[str | Path]) -> None:
    """Refuse an output folder that is an input, lies inside one, or holds a `corpus` that no build made.

    Args:
        output: the folder that will hold `corpus`; need not exist.
        inputs: files, folders, globs or URIs; what is not there or not local is passed over.

    Raises:
        UsageError: publishing there could harm the user's own files, or would read what it writes.
    """
    with writing(output):
        _refuse_foreign_corpus(output)
        above = {_identity(place) for place in (output.resolve(), *output.resolve().parents)} - {None}
    for source in inputs:
        if any(_identity(place) in above for place in _places(str(source))):
            msg = f"the output {output} is the input {source} or lies inside it; choose another folder with -o"
            raise UsageError(msg)


def _places(source: str) -> list[Path]:
    """What an input means on the local disk: itself, and all that it matches as a glob."""
    matched = glob.glob(source, recursive=True) if glob.has_magic(source) else []  # noqa: PTH207 - may be absolute
    return [Path(source), *map(Path, matched)]


def _identity(path: Path) -> tuple[int, int] | None:
    """What makes two names the same place, on file systems that ignore case too; None where there is nothing."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def lock(output: Path) -> Iterator[None]:
    """Hold the output for one build; makes the folder when it is not there.

    Raises:
        LockedError: another build holds it; names its process.
        WriteError: the folder cannot be made or written.
    """
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        handle = os.open(output / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), FILE_MODE)
    try:
        _take(handle, output)
        yield
    finally:
        with contextlib.suppress(OSError):  # the corpus is published or not by now; the kernel lets go in any case
            os.close(handle)


def _take(handle: int, output: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:  # Windows, where renaming a link over a link does not work either
        msg = "publishing needs a POSIX system; on Windows use WSL"
        raise UsageError(msg) from None
    with writing(output / LOCK):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(handle)
            msg = f"{output} is in use by another build ({holder}); wait for it, or choose another folder with -o"
            raise LockedError(msg) from None
        os.fchmod(handle, FILE_MODE)
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)


def _holder(handle: int) -> str:
    """Who holds the lock, as far as the file tells; it is empty for a moment after it was taken."""
    try:
        holder = json.loads(os.pread(handle, 1000, 0))
        return f"process {int(holder['pid'])} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "just started"


@contextlib.contextmanager
def staging(output: Path) -> Iterator[Path]:
    """An empty folder for a build; what is left of it when the block ends is removed. Needs the lock.

    Also removes what killed builds left behind, and finds out now, not after hours of work, whether the corpus can be
    published here at all.

    Raises:
        UsageError: `output/corpus` is no link that a build made.
        WriteError: the folder cannot be written, or its file system has no symbolic links.
    """
    builds = output / BUILDS
    folder = builds / f"{STAGING}{os.getpid()}"
    with writing(output):
        _refuse_foreign_corpus(output)
        new_folder(builds)
        _remove_leftovers(output)
        _link(output, BUILDS).unlink()
        folder.mkdir()
        folder.chmod(FOLDER_MODE)
    try:
        yield folder
    finally:
        remove(folder)


def switch(output: Path, folder: Path) -> Path:
    """Make a finished staging folder the published corpus, in one step. Needs the lock.

    The corpus that was published stays beside it for readers that are still on it; older builds are removed.

    Args:
        output: the output folder.
        folder: the staging folder, after `dataset.finish`.

    Returns:
        `output/corpus`.

    Raises:
        WriteError: the disk fails; the former corpus is still published unless the error came after the switch.
    """
    builds = output / BUILDS
    with writing(output):
        former = _published(output)
        sync_tree(folder)
        build = _place(builds, folder)
        if not build.exists():  # else it is the same build, whole: only the link may have to change
            folder.rename(build)
        sync_folder(builds)
        _link(output, f"{BUILDS}/{build.name}").rename(output / CORPUS)
        sync_folder(output)
    if former != build.name:
        _prune(builds, keep={former, build.name})
    return output / CORPUS


def _place(builds: Path, folder: Path) -> Path:
    """Where a staged build belongs: a name that is free, or an equal build that is there already."""
    name = manifest.build_name((folder / manifest.FILE_NAME).read_bytes())
    place, copy = builds / name, 0
    while place.exists() and not _same_tree(place, folder):
        copy += 1
        place = builds / f"{name}.{copy}"  # the one that is there was damaged; it is not touched
    return place


def _same_tree(one: Path, other: Path) -> bool:
    return _tree(one) == _tree(other)


def _tree(folder: Path) -> dict[str, tuple[int, str]]:
    files = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return {file.relative_to(folder).as_posix(): file_digest(file) for file in files}


def _link(output: Path, target: str) -> Path:
    """A fresh link beside the corpus, not yet in its place.

    Raises:
        WriteError: the file system has no symbolic links.
    """
    fresh = output / f"{FRESH_LINK}{os.getpid()}"
    try:
        fresh.symlink_to(target)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}:
            raise
        msg = f"the file system of {output} has no symbolic links; choose an output folder on another one"
        raise WriteError(msg) from error
    return fresh


def _published(output: Path) -> str | None:
    """The name of the build that is published."""
    link = output / CORPUS
    return link.readlink().name if link.is_symlink() else None


def _refuse_foreign_corpus(output: Path) -> None:
    """Raises UsageError when `output` is no folder or its `corpus` is nobody's but the user's."""
    if output.exists() and not output.is_dir():
        msg = f"the output {output} is not a folder; choose another with -o"
        raise UsageError(msg)
    corpus = output / CORPUS
    if not os.path.lexists(corpus):
        return
    if not corpus.is_symlink() or corpus.readlink().parent != Path(BUILDS):
        msg = f"{corpus} was not made by a build and would be replaced; move it away, or choose another folder with -o"
        raise UsageError(msg)


def _remove_leftovers(output: Path) -> None:
    """What builds that were killed left behind: staging folders and links that never took their place."""
    for place in (*(output / BUILDS).glob(f"{STAGING}*"), *output.glob(f"{FRESH_LINK}*")):
        remove(place)


def _prune(builds: Path, keep: set[str | None]) -> None:
    with contextlib.suppress(OSError):  # published is published: what cannot go now goes after the next build
        for build in builds.iterdir():
            if build.name not in keep:
                remove(build)
