"""Finding inputs and planning shards."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.errors import InputError, UsageError
from pipeline.read import discover, plan, read_shard, source

from .conftest import read_all

CONFIG = Config()


def _find(*inputs: Path | str) -> list[str]:
    return [file.uri for file in discover([str(entry) for entry in inputs], CONFIG).files]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files of all sorts."""
    top = tmp_path / "top"
    for name in (
        "b.txt",
        "a.txt",
        "sub/c.TXT",
        "sub/d.jsonl.gz",
        ".hidden/e.txt",
        ".f.txt",
        "notes.md",
        "x.tar.gz",
        "plain",
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"story")
    return top


def test_folder_is_walked_in_order(tree: Path) -> None:
    """Files come sorted by uri, which begins with the folder's name; all others are counted and listed."""
    found = discover([str(tree)], CONFIG)
    assert [file.uri for file in found.files] == ["top/a.txt", "top/b.txt", "top/sub/c.TXT", "top/sub/d.jsonl.gz"]
    assert found.skipped == {"(hidden)": 2, "(none)": 1, ".md": 1, ".tar.gz": 1}
    assert found.skipped_names == ("top/.f.txt", "top/.hidden", "top/notes.md", "top/plain", "top/x.tar.gz")


def test_order_of_arguments_does_not_matter(tree: Path) -> None:
    """The same inputs in another order, or some of them twice, are the same files under the same names."""
    inputs = [str(tree), str(tree / "a.txt"), str(tree / "sub")]
    first = discover(inputs, CONFIG)
    assert first == discover(list(reversed(inputs)) + inputs, CONFIG)
    assert len(first.files) == 4


def test_current_folder_has_no_name(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The uris of `.` do not tell where it is."""
    monkeypatch.chdir(tree)
    assert _find(".") == ["a.txt", "b.txt", "sub/c.TXT", "sub/d.jsonl.gz"]
    assert _find("sub/..") == _find(".")
    assert _find("*.txt") == ["a.txt", "b.txt"]
    assert _find("sub/") == ["sub/c.TXT", "sub/d.jsonl.gz"]


def test_globs(tree: Path) -> None:
    """A glob names files as the folder before its first wildcard does, and takes only files that can be read."""
    assert _find(tree / "*") == _find(tree)
    assert _find(tree / "**" / "*.txt") == ["top/a.txt", "top/b.txt"]
    assert _find(tree / "su?") == ["top/sub/c.TXT", "top/sub/d.jsonl.gz"]


def test_links_do_not_lead_out(tree: Path, tmp_path: Path) -> None:
    """A link out of the folder is passed over, one inside it counts as its target, loops do no harm."""
    (tmp_path / "secret.txt").write_text("secret")
    (tree / "out.txt").symlink_to(tmp_path / "secret.txt")
    (tree / "folder").symlink_to(tmp_path)
    (tree / "loop").symlink_to(tree)
    (tree / "self.txt").symlink_to(tree / "self.txt")
    (tree / "0.txt").symlink_to(tree / "a.txt")
    (tree / "m.txt").symlink_to(tree / "notes.md")
    found = discover([str(tree)], CONFIG)
    assert [file.uri for file in found.files][:3] == ["top/a.txt", "top/b.txt", "top/m.txt"]
    assert found.skipped["(link)"] == 4
    assert "secret" not in [row["text"] for row in read_all(tree).to_pylist()]


def test_special_files_are_passed_over(tree: Path) -> None:
    """A named pipe in a folder does not stop the build; named as an input it is a wrong use."""
    os.mkfifo(tree / "pipe.txt")
    assert discover([str(tree)], CONFIG).skipped["(special)"] == 1
    with pytest.raises(UsageError, match="neither"):
        _find(tree / "pipe.txt")


@pytest.mark.parametrize(
    "name", [b"caf\xe9.txt", b"new\nline.txt", b"100%.txt", b"a%20b.txt", b"'\"$(x);.txt", "ü💩.txt".encode()]
)
def test_odd_names_work(name: bytes, tmp_path: Path) -> None:
    """Names that are not UTF-8, or hold control characters, are read and stand percent-escaped in the origin."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / os.fsdecode(name)).write_text("story")
    (row,) = read_all(folder).to_pylist()
    expected = {b"caf\xe9.txt": "caf%E9.txt", b"new\nline.txt": "new%0Aline.txt", b"a%20b.txt": "a%2520b.txt"}
    assert row["origin"]["uri"] == "odd/" + expected.get(name, name.decode("utf-8", "replace"))
    assert row["text"] == "story"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.txt", "does not exist"),
        ("no*.txt", "does not exist"),
        ("top/notes.md", "should end in"),
        ("empty", "nothing to read"),
    ],
)
def test_wrong_inputs_say_what_to_do(name: str, message: str, tree: Path, tmp_path: Path) -> None:
    """A missing input, a suffix nobody reads and a folder without files are wrong uses."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        _find(tmp_path / name)


@pytest.mark.parametrize(("name", "extra"), [("a.html", "html"), ("b.htm.gz", "html"), ("c.warc.gz", "warc")])
def test_web_pages_name_their_extra(name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web page or archive without its reader says which extra to install."""
    for library in ("trafilatura", "fastwarc"):
        monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=rf"\[{extra}\]"):
        _find(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_without_permission(tree: Path) -> None:
    """A folder that cannot be listed stops the build with its name."""
    (tree / "sub").chmod(0)
    try:
        with pytest.raises(InputError, match="sub"):
            _find(tree)
    finally:
        (tree / "sub").chmod(0o755)


def test_a_small_file_is_read_as_it_was_hashed(tree: Path) -> None:
    """What a small file held when it was found is its text and its digest, whatever becomes of it meanwhile."""
    found = discover([str(tree / "a.txt"), str(tree / "sub/c.TXT")], CONFIG)
    (tree / "a.txt").unlink()
    (tree / "sub/c.TXT").write_bytes(b"another")
    for shard in plan(found, CONFIG):
        for batch in read_shard(shard, CONFIG):
            assert set(batch["text"].to_pylist()) == {"story"}
            assert set(batch["raw_sha256"].to_pylist()) == {file.sha256 for file in found.files}


def test_only_so_much_of_small_files_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on what is kept holds, and the records are the same with and without."""
    for number in range(30):
        (tmp_path / f"{number}.txt").write_bytes(b"%d story" % number * 100)
    monkeypatch.setattr(source, "_KEPT_BYTES", 10_000)
    found = discover([str(tmp_path)], CONFIG)
    kept = [len(file.data) for file in found.files if file.data is not None]
    assert kept
    assert sum(kept) <= 10_000
    records = [batch.to_pylist() for shard in plan(found, CONFIG) for batch in read_shard(shard, CONFIG)]
    monkeypatch.undo()
    assert [
        batch.to_pylist()
        for shard in plan(discover([str(tmp_path)], CONFIG), CONFIG)
        for batch in read_shard(shard, CONFIG)
    ] == records


def test_file_that_vanishes_is_one_quarantined_record(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is gone, or shorter, when its turn comes is quarantined, and the build goes on."""
    monkeypatch.setattr(source, "_KEPT_BYTES", 0)
    (tree / "z.jsonl").write_bytes(b'{"text": "x"}\n' * 10)
    shards = plan(discover([str(tree)], CONFIG), CONFIG)
    (tree / "a.txt").unlink()
    (tree / "z.jsonl").write_bytes(b'{"text": "x"}\n' * 5)
    rows = [row for shard in shards for batch in read_shard(shard, CONFIG) for row in batch.to_pylist()]
    reasons = {row["origin"]["uri"]: row["reason"] for row in rows}
    assert reasons["top/a.txt"] == "unreadable"
    assert reasons["top/z.jsonl"] == "truncated"
    assert sum(row["reason"] is None for row in rows) == 7


def test_one_more_file_changes_one_shard(tmp_path: Path) -> None:
    """Adding a file to a thousand leaves all shards but one, or two, as they were."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number:04}.txt").write_bytes(b"%d" % number * 25_000)
    before = {shard.key for shard in plan(discover([str(folder)], CONFIG), CONFIG)}
    (folder / "0500a.txt").write_bytes(b"new" * 9000)
    after = {shard.key for shard in plan(discover([str(folder)], CONFIG), CONFIG)}
    assert len(before) > 5
    assert len(after - before) <= 2


def test_shards_do_not_depend_on_the_place(tree: Path, tmp_path: Path) -> None:
    """The same files in another folder of the same name have the same keys, and shards can be pickled."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    shards = plan(discover([str(tree)], CONFIG), CONFIG)
    tree.rename(other / "top")
    assert [shard.key for shard in plan(discover([str(other / "top")], CONFIG), CONFIG)] == [
        shard.key for shard in shards
    ]
    assert pickle.loads(pickle.dumps(shards)) == shards


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_batches_hold_the_same_rows(rows: int, tree: Path) -> None:
    """The size of a batch changes nothing but the batches."""
    (tree / "z.jsonl").write_bytes(b"".join(b'{"text": "story %d"}\n' % n for n in range(50)))
    assert read_all(tree, config=Config(batch_rows=rows)).equals(read_all(tree))


def test_file_uri_is_a_local_file(tree: Path) -> None:
    """A file:// URI is read like the path it names."""
    assert _find(f"file://{tree}") == _find(tree)
