"""Find the inputs and plan the work: which files there are, what each holds, and how they are cut into shards.

Nothing that is published may tell on which machine, or from which folder, a build ran. So a file goes by its `uri`:
the name of the input that was given and the path inside it.
"""

from __future__ import annotations

import glob
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import stat
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.fs as pafs

from pipeline.errors import InputError, UsageError
from pipeline.read.cutter import Cutter
from pipeline.read.inputs import COMPRESSIONS, KINDS, ONE_RECORD, Discovery, InputFile, Shard, Slice, escape, kind_of
from pipeline.read.stream import filesystem, open_raw, read_stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.config import Config

# The libraries that read web pages and archives; the extra that brings them has the name of the kind.
LIBRARIES: Final[dict[str, tuple[str, ...]]] = {"html": ("trafilatura",), "warc": ("trafilatura", "fastwarc")}
# What else has a hand in the text of a page.
_WEB: Final = ("trafilatura", "lxml", "justext", "fastwarc")

# A shard is about this much input: enough to make its fixed costs small, little enough to keep every worker busy.
SHARD_BYTES: Final = 32 << 20
_HASH_THREADS: Final = 4
# Bytes that are hashed at once.
_HASH_BYTES: Final = 1 << 20
# So much of a file is asked for first; most hold less.
_SMALL_BYTES: Final = 1 << 18
# So many bytes of small files are kept from hashing to reading, and what Python takes for each beside its bytes.
_KEPT_BYTES: Final = 16 << 20
_OBJECT_BYTES: Final = 64
# Small files are put together to a quarter of that on average: several smaller shards balance better.
_GROUP_BYTES: Final = SHARD_BYTES // 4
# What a file costs beside its bytes, as bytes: to find, hash, open and list it takes as long as the work on this many.
_FILE_COST: Final = 2 << 10
# How much bigger compressed files are once they are open, roughly.
_EXPANSION: Final = 4


@dataclass(slots=True)
class _Search:
    """What was found so far; `real` holds one file for each real path, whatever names lead to it."""

    real: dict[str, tuple[bool, InputFile]]
    passed_over: dict[str, str]

    def skip(self, uri: str, why: str) -> None:
        self.passed_over[uri] = why

    def keep(self, file: InputFile, *, link: bool = False) -> None:
        key = (file.root or "") + "\0" + file.path
        known = self.real.get(key)
        # Of several names the file's own is kept, then the first in order: not the one that was given first.
        if known is None or (link, file.uri) < (known[0], known[1].uri):
            self.real[key] = (link, file)


def discover(inputs: Sequence[str], config: Config) -> Discovery:  # noqa: ARG001 - readers to come will need it
    """Find and hash all files of the inputs.

    Args:
        inputs: files, folders, globs, and URIs of filesystems that Arrow speaks.
        config: the configuration.

    Raises:
        UsageError: an input is missing, is of a kind that cannot be read, or holds nothing to read.
        InputError: a folder cannot be listed.
    """
    search = _Search({}, {})
    for given in inputs:
        _search(given, search)
    files = [file for _, file in search.real.values()]
    _refuse_unread(files)
    if not files:
        names = ", ".join(KINDS)
        msg = f"nothing to read in {', '.join(inputs)}: no file ends in {names}, or one of these and .gz or .zst"
        raise UsageError(msg)
    cuts: dict[str, tuple[tuple[int, int], ...]] = {}
    hashed = sorted(_hash_all(files, cuts), key=lambda file: (file.uri, file.sha256))
    skipped: dict[str, int] = {}
    for why in sorted(search.passed_over.values()):
        skipped[why] = skipped.get(why, 0) + 1
    return Discovery(tuple(hashed), skipped, tuple(sorted(search.passed_over)), cuts)


def _suffix(name: str) -> str:
    stem, suffix = os.path.splitext(name.lower())
    if suffix in COMPRESSIONS:
        suffix = os.path.splitext(stem)[1] + suffix
    return escape(suffix) or "(none)"


def _refuse_unread(files: Iterable[InputFile]) -> None:
    first = {file.kind: file for file in reversed(list(files)) if file.kind in LIBRARIES}
    for kind, file in first.items():
        try:
            for name in LIBRARIES[kind]:
                importlib.import_module(name)
        except ImportError as error:
            # Of a library that is there in part, say which part is missing.
            words = "" if isinstance(error, ModuleNotFoundError) else f" ({str(error).splitlines()[0]})"
            msg = (
                f"{file.uri} is a web page or archive, which needs an extra: "
                f"pip install 'news-corpus-pipeline[{kind}]'{words}; or leave such files out of the inputs"
            )
            raise UsageError(msg) from None


def _search(given: str, search: _Search) -> None:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", given):
        _search_uri(given, search)
        return
    try:
        mode = os.stat(given).st_mode
    except FileNotFoundError:
        _search_glob(given, search)
    except (OSError, ValueError) as error:
        msg = f"the input {escape(given)} cannot be reached: {getattr(error, 'strerror', None) or error}"
        raise InputError(msg) from None
    else:
        if stat.S_ISDIR(mode):
            _walk(given, _folder_name(given), search)
        elif stat.S_ISREG(mode):
            _add_named(given, search)
        else:
            msg = f"the input {escape(given)} is neither a file nor a folder; write what it gives to a file first"
            raise UsageError(msg)


def _folder_name(path: str) -> str:
    """The name that the uris of a folder's files begin with; none for the folder one is in."""
    plain = os.path.normpath(path)
    if plain == os.curdir:
        return ""
    return escape(os.path.basename(os.path.realpath(plain) if plain.endswith(os.pardir) else plain))


def _add_named(path: str, search: _Search) -> None:
    name = os.path.basename(path)
    kind = kind_of(name)
    if not kind:
        names = ", ".join(KINDS)
        msg = f"cannot tell how to read {escape(name)}: its name should end in {names}, or one of these and .gz or .zst"
        raise UsageError(msg)
    search.keep(InputFile(escape(name), os.path.realpath(path), 0, *kind))


def _walk(folder: str, name: str, search: _Search) -> None:
    """All files of a folder and the folders in it, links not followed out of it."""
    top = os.path.realpath(folder)
    todo = [(top, name)]
    while todo:
        path, prefix = todo.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    uri = f"{prefix}/{escape(entry.name)}" if prefix else escape(entry.name)
                    if entry.name.startswith("."):
                        search.skip(uri, "(hidden)")
                    elif entry.is_symlink():
                        _add_link(entry.path, uri, top, search)
                    elif entry.is_dir(follow_symlinks=False):
                        todo.append((entry.path, uri))
                    elif entry.is_file(follow_symlinks=False):
                        _add_found(entry.path, entry.name, uri, search)
                    else:
                        search.skip(uri, "(special)")
        except OSError as error:
            msg = f"the folder {escape(path)} cannot be read: {error.strerror}; give it read permission or leave it out"
            raise InputError(msg) from None


def _add_found(path: str, name: str, uri: str, search: _Search, *, link: bool = False) -> None:
    kind = kind_of(name)
    if kind:
        search.keep(InputFile(uri, path, 0, *kind), link=link)
    else:
        search.skip(uri, _suffix(name))


def _add_link(path: str, uri: str, top: str, search: _Search) -> None:
    """A link to a file of the same folder counts as that file; any other is passed over."""
    real = os.path.realpath(path)
    inside = real.startswith(os.path.join(top, ""))
    if inside and os.path.isfile(real):
        _add_found(real, os.path.basename(path), uri, search, link=True)
    else:
        search.skip(uri, "(link)")


def _search_glob(pattern: str, search: _Search) -> None:
    paths = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else []
    if not paths:
        msg = f"the input {escape(pattern)} does not exist; give a file, a folder, a glob in quotes or a URI"
        raise UsageError(msg)
    base = pattern[: re.search(r"[*?\[]", pattern).start()].rpartition("/")[0]  # type: ignore[union-attr]
    base = base or ("/" if pattern.startswith("/") else os.curdir)
    name, top = _folder_name(base), os.path.realpath(base)
    for path in paths:
        inner = escape(os.path.relpath(path, base))
        uri = f"{name}/{inner}" if name else inner
        real = os.path.realpath(path)
        if not real.startswith(os.path.join(top, "")):
            search.skip(uri, "(link)")
        elif os.path.isdir(path):
            _walk(path, uri, search)
        elif os.path.isfile(path):
            _add_found(real, os.path.basename(path), uri, search, link=os.path.islink(path))
        else:
            search.skip(uri, "(special)")


def _search_uri(given: str, search: _Search) -> None:
    """Files of another filesystem; what the URI says about servers and keys is not published."""
    public = without_keys(given)
    try:
        system, path = filesystem(given)
        if isinstance(system, pafs.LocalFileSystem):
            _search(path, search)
            return
        info = system.get_file_info(path)
        if info.type == pafs.FileType.File:
            entries, base = [info], path.rpartition("/")[0]
            public = public.rpartition("/")[0]
        else:
            entries, base = system.get_file_info(pafs.FileSelector(path, recursive=True)), path
    except (OSError, pa.ArrowException, ValueError) as error:
        msg = f"the input {public} cannot be reached: {str(error).splitlines()[0]}"
        raise InputError(msg) from None
    if info.type == pafs.FileType.NotFound:
        msg = f"the input {public} does not exist; check the name and the region or endpoint"
        raise UsageError(msg)
    _add_remote([entry for entry in entries if entry.type == pafs.FileType.File], base, public, given, search)


def _add_remote(entries: Iterable[Any], base: str, public: str, root: str, search: _Search) -> None:
    for entry in entries:
        inner = entry.path[len(base) :].lstrip("/")
        uri = f"{public.rstrip('/')}/{escape(inner)}"
        kind = kind_of(entry.base_name)
        if any(part.startswith(".") for part in inner.split("/")):
            search.skip(uri, "(hidden)")
        elif kind:
            search.keep(InputFile(uri, entry.path, entry.size or 0, *kind, root=root))
        else:
            search.skip(uri, _suffix(entry.base_name))


def without_keys(uri: str) -> str:
    """A URI without user, password, port options and query.

    >>> without_keys("s3://key:secret@news/2026/a.jsonl?endpoint_override=localhost:9000")
    's3://news/2026/a.jsonl'
    """
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _hash_all(files: Sequence[InputFile], cuts: dict[str, tuple[tuple[int, int], ...]]) -> list[InputFile]:
    """Each file with its size and digest; several large ones at once, since hashing lets go of the interpreter lock."""
    hashed: list[InputFile] = []
    large: list[InputFile] = []
    room = _KEPT_BYTES
    for file in files:
        small = None if file.root else _hash_small(file, room)
        if small is None:
            large.append(file)
            continue
        hashed.append(small)
        if small.data is not None:
            room -= len(small.data) + _OBJECT_BYTES
    if large:
        with ThreadPoolExecutor(_HASH_THREADS) as pool:
            hashed += pool.map(partial(_hash_large, cuts=cuts), large)
    return hashed


def _hash_small(file: InputFile, room: int) -> InputFile | None:
    """A file of the local disk with its size and the SHA-256 of its bytes; None if it is large or cannot be read.

    Folders of 100,000 small files are common: each is opened once, and nothing else is asked of it.

    Args:
        file: the file.
        room: how many bytes of files may still be kept.
    """
    data, fault = read_stored(file, _SMALL_BYTES)
    if fault or len(data) > min(_SMALL_BYTES, SHARD_BYTES):
        return None
    kept = file.kind in ONE_RECORD and file.compression is None and len(data) <= room
    return file.hashed(hashlib.sha256(data).hexdigest(), len(data), data if kept else None)


def _hash_large(file: InputFile, cuts: dict[str, tuple[tuple[int, int], ...]]) -> InputFile:
    """A file with the SHA-256 of its bytes; one pass also finds where a large JSON Lines file can be cut."""
    digest, size = hashlib.sha256(), 0
    try:
        known = file.size if file.root else os.stat(file.path).st_size
        file = file.hashed("", known)
        wanted = file.kind == "jsonl" and not file.compression and known > SHARD_BYTES
        cutter = Cutter(SHARD_BYTES) if wanted else None
        raw = open_raw(file.root, file.path)
        try:
            while data := raw.read(_HASH_BYTES):
                digest.update(data)
                size += len(data)
                if cutter:
                    cutter.add(data)
        finally:
            raw.close()
    except (OSError, ValueError):
        return file
    if cutter and cutter.cuts:
        cuts[file.path] = tuple(cutter.cuts)
    return file.hashed(digest.hexdigest(), size)


def plan(discovery: Discovery, config: Config) -> list[Shard]:  # noqa: ARG001 - readers to come will need it
    """Cut the files into shards, in input order.

    Where one shard ends depends on the names and sizes of the files around it only, so one more file changes one shard.
    """
    shards: list[Shard] = []
    group: list[Slice] = []
    total = 0
    for part, weight in _slices(discovery):
        group.append(part)
        total += weight
        if total >= SHARD_BYTES or _is_last(part, weight):
            shards.append(_shard(group, total))
            group, total = [], 0
    if group:
        shards.append(_shard(group, total))
    return shards


def _slices(discovery: Discovery) -> Iterator[tuple[Slice, int]]:
    """Every part of every file, with its cost in bytes."""
    for file in discovery.files:
        if file.kind == "parquet":
            from pipeline.read.columnar import row_groups

            yield from row_groups(file)
        elif file.kind == "jsonl" and not file.compression:
            cuts = [(0, 0), *discovery.cuts.get(file.path, ())]
            ends = [start for start, _ in cuts[1:]] + [file.size]
            for (start, line), stop in zip(cuts, ends, strict=True):
                if start < stop or not start:
                    yield Slice(file, start, stop, line), stop - start + _FILE_COST
        else:
            yield Slice(file), file.size * (_EXPANSION if file.compression else 1) + _FILE_COST


def _is_last(part: Slice, weight: int) -> bool:
    """Whether a shard ends after this slice: drawn from its name, the likelier the heavier it is."""
    draw = zlib.crc32(f"{part.file.uri}\0{part.start}".encode())
    return draw * _GROUP_BYTES < weight << 32


@lru_cache(maxsize=1)
def _web_versions() -> list[str]:
    """The versions of the libraries of web pages: another version may find another text in the same page."""
    return [f"{name} {importlib.metadata.version(name)}" for name in _WEB if importlib.util.find_spec(name)]


def _shard(group: Sequence[Slice], cost: int) -> Shard:
    content: list[Any] = [[part.file.uri, part.file.sha256, part.start, part.stop, part.first_index] for part in group]
    if any(part.file.kind in LIBRARIES for part in group):
        content.append(_web_versions())
    return Shard(hashlib.sha256(json.dumps(content).encode()).hexdigest(), tuple(group), cost)
