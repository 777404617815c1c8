"""The command line: what each command prints, how it exits, and the one clear line that a mistake gets."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from pipeline import kernels, shards
from pipeline.build import build
from pipeline.cli import main
from pipeline.config import Config
from pipeline.records import TABLES
from pipeline.write.publish import lock
from tests.conftest import SEEDS

ARTICLE = """The council voted on Tuesday to keep the old bridge open for another year.

Sign up for our free weekly newsletter

Engineers will look at the piers in spring, the mayor said, and report to the council in June.
"""
CLEAN = ARTICLE.replace("Sign up for our free weekly newsletter\n\n", "")
GOOD_PACK = """
label = "other"
[[rule]]
id = "own.ferry"
pattern = "^Ferry times today"
match = ["Ferry times today", "Ferry times today and tomorrow"]
no_match = ["The ferry sank.", "He asked for the ferry times"]
"""


def run(*arguments: object, code: int = 0, stdin: bytes | None = None, color: bool = False) -> Result:
    """Run a command in this process; whatever happens, no exception may get out of it."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin, color=color)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def fails(*arguments: object, code: int) -> str:
    """The one line that a command leaves on standard error when it fails."""
    result = run(*arguments, code=code)
    lines = [line for line in result.stderr.splitlines() if not line.endswith((" shard", " shards"))]
    assert len(lines) == 1, result.stderr
    return lines[0]


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in an empty folder, where nothing configures it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture(scope="module")
def seeds_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the seeds."""
    return build([str(SEEDS)], tmp_path_factory.mktemp("seeds"), Config(workers=1)).corpus


@pytest.fixture(scope="module")
def mixed_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document, its duplicate, a file that is not UTF-8, an empty one, and names that are traps."""
    folder = tmp_path_factory.mktemp("mixed")
    inputs = folder / "in"
    inputs.mkdir()
    (inputs / "a.txt").write_text(ARTICLE)
    (inputs / "b.txt").write_text(ARTICLE.upper())
    (inputs / "c.txt").write_bytes("Café au lait is a drink.\n".encode("cp1252"))
    (inputs / "notes.pdf").write_bytes(b"%PDF")
    evil = [
        {"id": name, "text": f"The ferry sails at {number} on every day of the week.", "source": name}
        for number, name in enumerate(["../../evil", "/etc/passwd", "C:\\evil", "..", "a\x00b"])
    ]
    (inputs / "d.jsonl").write_text("".join(json.dumps(record) + "\n" for record in evil))
    return build([str(inputs)], folder / "out", Config(workers=1)).corpus


def rows(corpus: Path, table: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    return [row for part in sorted((corpus / table).glob("*.parquet")) for row in pq.read_table(part).to_pylist()]


# -- build


def test_build_alone_builds_the_seeds_of_the_folder_it_runs_in() -> None:
    """Without arguments `seeds/` becomes `output/corpus`, and the summary counts add up."""
    Path("seeds").symlink_to(SEEDS)
    output = run("build").output
    assert "4 records = 4 documents + 0 duplicates + 0 in quarantine" in output
    assert "pipeline check output/corpus" in output
    assert (Path("output") / "corpus" / "manifest.json").is_file()


def test_build_without_seeds_says_what_to_give_it() -> None:
    """Where there is no `seeds/` nothing is made and the message has an example."""
    assert "pipeline build articles/" in fails("build", code=2)
    assert not Path("output").exists()


def test_the_summary_as_json_is_one_object(tmp_path: Path) -> None:
    """`--json` prints one object, whose numbers add up; skipped files are counted by suffix."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / "a.txt").write_text(ARTICLE)
    (inputs / "b.txt").write_bytes(b"\x80\x81")
    (inputs / "c.pdf").touch()
    summary = json.loads(run("build", inputs, "--json").stdout)
    assert summary["records"] == summary["documents"] + summary["duplicates"] + summary["quarantine"] == 2
    assert summary["quarantine_reasons"] == {"not-utf8": 1}
    assert summary["removed_by_label"] == {"newsletter": 1}
    assert summary["skipped_files"] == {".pdf": 1}


def test_inputs_are_files_folders_and_globs(tmp_path: Path) -> None:
    """Several inputs of all kinds make one corpus."""
    for number, name in enumerate(["one/a.txt", "two/b.jsonl", "three/c.csv", "three/d.md"]):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        text = f"Story {number} is about the harbour."
        file.write_text({"b": json.dumps({"text": text}), "c": f"text\n{text}\n"}.get(file.stem, text))
    summary = run("build", tmp_path / "one", tmp_path / "two/b.jsonl", tmp_path / "three/*.csv", "--json").stdout
    assert json.loads(summary)["documents"] == 3


WRONG = {
    "missing input": (["build", "nowhere"], 2, "nowhere"),
    "missing glob": (["build", "no*where"], 2, "no*where"),
    "empty name": (["build", ""], 2, "input"),
    "NUL in a name": (["build", "a\0b"], 1, "a%00b"),
    "nothing to read": (["build", "empty"], 2, "nothing to read"),
    "unknown type": (["build", "notes.pdf"], 2, "notes.pdf"),
    "output is the input": (["build", "in", "-o", "in"], 2, "in"),
    "output inside the input": (["build", "in", "-o", "in/out"], 2, "in/out"),
    "output is a file": (["build", "in", "-o", "notes.pdf"], 2, "notes.pdf"),
    "output below a file": (["build", "in", "-o", "notes.pdf/out"], 1, "notes.pdf/out"),
    "a corpus that is not ours": (["build", "in", "-o", "foreign"], 2, "foreign/corpus"),
    "missing configuration": (["build", "in", "--config", "nowhere.toml"], 2, "nowhere.toml"),
    "unknown key": (["build", "in", "--config", "unknown.toml"], 2, "'colour'"),
    "bad TOML": (["build", "in", "--config", "bad.toml"], 2, "bad.toml"),
    "missing rule folder": (["build", "in", "--rules", "nowhere"], 2, "nowhere"),
    "rule folder is a file": (["build", "in", "--rules", "notes.pdf"], 2, "notes.pdf"),
    "bad rule": (["build", "in", "--rules", "badrules"], 2, "own.bad"),
    "bad encoding": (["build", "in", "--encoding", "klingon"], 2, "klingon"),
    "bad size": (["build", "in", "--max-document", "lots"], 2, "lots"),
    "size of nothing": (["build", "in", "--max-document", "0"], 2, "max_document"),
    "too little memory": (["build", "in", "--memory", "1kB"], 2, "memory"),
    "nothing to retry": (["build", "--retry", "-o", "fresh"], 1, "fresh"),
    "clean a missing file": (["clean", "nowhere.txt"], 2, "nowhere.txt"),
    "clean a folder": (["clean", "in"], 2, "cannot read in"),
    "clean what is not UTF-8": (["clean", "latin.txt"], 1, "encoding"),
    "check nothing": (["check", "nowhere"], 1, "nowhere"),
    "check no corpus": (["check", "notes.pdf"], 1, "notes.pdf"),
    "restore nothing": (["restore", "nowhere"], 1, "nowhere"),
    "strip no shards": (["strip", "in", "-o", "shards"], 2, "pipeline read"),
    "write no shards": (["write", "in", "-o", "shards"], 2, "pipeline read"),
    "shards where something is": (["read", "in", "-o", "foreign"], 2, "foreign"),
    "shards inside the input": (["read", "in", "-o", "in/shards"], 2, "in/shards"),
    "rules of a missing folder": (["rules", "test", "--rules", "nowhere"], 2, "nowhere"),
    "list rules of a missing folder": (["rules", "list", "--rules", "nowhere"], 2, "nowhere"),
}


@pytest.mark.parametrize(("arguments", "code", "names"), WRONG.values(), ids=WRONG)
def test_a_mistake_gets_one_clear_line(arguments: list[str], code: int, names: str) -> None:
    """Wrong calls exit 2, failures exit 1; the one line names what is wrong, and no input is touched."""
    Path("in").mkdir()
    Path("in/a.txt").write_text(ARTICLE)
    Path("empty").mkdir()
    Path("foreign/corpus").mkdir(parents=True)
    Path("notes.pdf").touch()
    Path("latin.txt").write_bytes(b"caf\xe9")
    Path("unknown.toml").write_text("colour = 'red'\n")
    Path("bad.toml").write_text("= 1\n")
    Path("badrules").mkdir()
    Path("badrules/own.toml").write_text(GOOD_PACK.replace("own.ferry", "own.bad").replace("^Ferry", "(?=Ferry"))
    line = fails(*arguments, code=code)
    assert names in line
    assert line.startswith(f"pipeline {arguments[0]}")
    assert [file.name for file in Path("in").iterdir()] == ["a.txt"]
    assert list(Path("foreign/corpus").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_folders_without_permission_get_one_clear_line(tmp_path: Path) -> None:
    """An input folder that cannot be listed and an output folder that cannot be written each fail in one line."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(ARTICLE)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    assert "closed" in fails("build", closed, code=1)
    closed.chmod(0o500)
    assert "closed" in fails("build", tmp_path / "in", "-o", closed, code=1)


def test_unknown_commands_and_options_exit_2() -> None:
    """A mistyped command, option or value is wrong usage."""
    for arguments in (["biuld"], ["build", "--colour"], ["build", "--workers", "0"], ["clean", "--strictness", "x"]):
        assert "Try 'pipeline" in run(*arguments, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["biuld"], "build"), (["rules", "lst"], "list"), (["report", "--hepl"], "--help")],
)
def test_a_slip_of_the_keys_gets_what_was_meant(arguments: list[str], meant: str) -> None:
    """A command or option that is nearly right is answered with the right one."""
    assert f"Did you mean '{meant}'?" in run(*arguments, code=2).stderr


def test_a_key_that_is_nearly_right_gets_the_right_one() -> None:
    """In a configuration too, for settings and for fields of a record."""
    Path("a.txt").write_text(ARTICLE)
    Path("pipeline.toml").write_text("strictnes = 'careful'\n")
    assert "unknown key 'strictnes'; did you mean 'strictness'? there are columns, " in fails("build", "a.txt", code=2)
    Path("pipeline.toml").write_text("max-document = 3\n")
    assert "did you mean 'max_document'?" in fails("build", "a.txt", code=2)
    Path("pipeline.toml").write_text("columns = { titel = 'headline' }\n")
    assert "did you mean 'title'?" in fails("build", "a.txt", code=2)


def test_a_locked_output_names_the_process(tmp_path: Path) -> None:
    """While one build holds the output another exits 2 and says who has it."""
    with lock(tmp_path / "out"):
        assert f"process {os.getpid()}" in fails("build", SEEDS, "-o", tmp_path / "out", code=2)


def test_strict_fails_and_leaves_the_former_corpus(tmp_path: Path) -> None:
    """With `--strict` a record in quarantine is exit 1 and nothing is published; without, it is exit 0."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(ARTICLE)
    build_it = ["build", tmp_path / "in", "-o", tmp_path / "out"]
    run(*build_it, "--strict")
    before = (tmp_path / "out" / "corpus").resolve()
    (tmp_path / "in" / "b.txt").write_bytes(b"\xff\xfe\xff")
    assert "not-utf8 1" in fails(*build_it, "--strict", code=1)
    assert (tmp_path / "out" / "corpus").resolve() == before
    run(*build_it)
    assert (tmp_path / "out" / "corpus").resolve() != before


def test_a_configuration_file_is_found_and_options_win() -> None:
    """`pipeline.toml`, then `[tool.pipeline]`, are read where the command runs; an option overrides them."""
    Path("in").mkdir()
    Path("in/a.jsonl").write_text(json.dumps({"body": ARTICLE}) + "\n")
    Path("pyproject.toml").write_text('[tool.pipeline]\ncolumns = { text = "body" }\nmax_document = "10B"\n')
    assert json.loads(run("build", "in", "--json").stdout)["quarantine_reasons"] == {"too-large": 1}
    assert json.loads(run("build", "in", "--json", "--max-document", "1kB").stdout)["documents"] == 1
    Path("pipeline.toml").write_text('[columns]\ntext = "body"\n')
    assert json.loads(run("build", "in", "--json").stdout)["documents"] == 1


def test_settings_steer_a_build() -> None:
    """`--dedupe none` keeps copies, `--rules` adds packs, `--encoding` opens files that are not UTF-8."""
    Path("in").mkdir()
    Path("in/a.txt").write_text(ARTICLE + "\nFerry times today: 9, 11, 13\n")
    Path("in/b.txt").write_text(ARTICLE.upper() + "\nFerry times today: 9, 11, 13\n")
    Path("in/c.txt").write_bytes("Café au lait is a drink.\n".encode("cp1252"))
    Path("own").mkdir()
    Path("own/ferry.toml").write_text(GOOD_PACK)
    options = ["--dedupe", "none", "--rules", "own", "--encoding", "cp1252", "--workers", "2", "--memory", "500MB"]
    summary = json.loads(run("build", "in", "--json", *options).stdout)
    assert (summary["documents"], summary["duplicates"], summary["quarantine"]) == (3, 0, 0)
    assert summary["removed_by_label"]["other"] == 2
    assert {row["origin"]["encoding"] for row in rows(Path("output/corpus"), "documents")} == {"utf-8", "cp1252"}


def test_progress_is_plain_lines_in_a_log() -> None:
    """Where standard error is no terminal each stage says once that it is done, without control characters."""
    Path("in").mkdir()
    Path("in/a.txt").write_text(ARTICLE)
    done = process("build", "in")
    assert done.returncode == 0
    assert done.stderr.decode().splitlines() == ["read: 1 shard", "strip: 1 shard", "write: 1 shard"]


def test_an_output_whose_name_is_no_text_is_refused() -> None:
    """Arrow cannot open a path that is not UTF-8, so it is wrong usage."""
    for command in (["build", SEEDS, "-o"], ["check"], ["restore"]):
        assert "not UTF-8" in run(*command, os.fsdecode(b"caf\xe9"), code=2).stderr


def test_inputs_whose_names_are_no_text_are_built() -> None:
    """Names that are not UTF-8 go percent-escaped into the corpus, and on an ASCII terminal nothing fails."""
    Path("in").mkdir()
    Path(os.fsdecode(b"in/caf\xe9.txt")).write_text(ARTICLE)
    Path(os.fsdecode(b"in/caf\xe9.p\xe9f")).touch()
    done = process("build", "in", "-o", "café", "--workers", "1", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr.count(b"\n")) == (0, 3)
    assert rows(Path("café/corpus"), "documents")[0]["origin"]["uri"] == "in/caf%E9.txt"


# -- clean


def test_clean_reads_a_file_or_standard_input() -> None:
    """The same clean text comes out of a file, of `-` and of nothing at all; nothing is added to it."""
    Path("a.txt").write_text(ARTICLE)
    assert run("clean", "a.txt").stdout == CLEAN
    assert run("clean", "-", stdin=ARTICLE.encode()).stdout == CLEAN
    assert run("clean", stdin=ARTICLE.encode()).stdout == CLEAN


@pytest.mark.parametrize("text", ["", "\n", "One line", "Two\r\nlines\r\n", "\u2028\u0085 odd\x0b breaks", "e\u0301"])
def test_clean_changes_no_byte_of_what_it_keeps(text: str) -> None:
    """Text without boilerplate comes out of the filter as it went in."""
    assert run("clean", stdin=text.encode()).stdout_bytes == text.encode()


def test_clean_explains_every_line() -> None:
    """`--explain` shows all lines in order: kept ones plain, others with mark, label and reason."""
    output = run("clean", "--explain", stdin=ARTICLE.encode()).stdout
    gone = [line for line in output.splitlines() if line.startswith("- newsletter")]
    assert len(gone) == 1
    assert "[rule:newsletter." in gone[0]
    kept = [line.strip() for line in output.splitlines() if line.startswith("   ") and line.strip()]
    assert kept == [line for line in CLEAN.splitlines() if line]


def test_clean_explains_in_colour_on_a_terminal_only() -> None:
    """With colour what goes is red; the same without colour is the same text."""
    coloured = run("clean", "--explain", stdin=ARTICLE.encode(), color=True).stdout
    plain = run("clean", "--explain", stdin=ARTICLE.encode()).stdout
    assert "\x1b[31m- newsletter" in coloured
    assert "\x1b" not in plain
    assert click.unstyle(coloured) == plain


def test_an_article_cannot_steer_the_terminal() -> None:
    """Control characters of the text are shown, not sent, by `--explain`."""
    output = run("clean", "--explain", stdin="A\x1b]0;owned\x07 line\x9b31m\n".encode(), color=True).stdout
    assert not set(output) & {"\x1b", "\x07", "\x9b"}


def test_clean_as_json_rebuilds_the_input() -> None:
    """`--json` gives the text, the fields and the spans with offsets into the input."""
    article = json.loads(run("clean", "--json", stdin=ARTICLE.encode()).stdout)
    assert article["text"] == CLEAN
    [span] = article["removed"]
    assert ARTICLE.encode()[span["start"] : span["end"]].decode() == span["text"]
    assert span["label"] == "newsletter"


def test_clean_knows_other_encodings() -> None:
    """A file in another encoding is read when it is named; what comes out is UTF-8."""
    Path("latin.txt").write_bytes("Café au lait is a drink.\n".encode("cp1252"))
    assert run("clean", "latin.txt", "--encoding", "cp1252").stdout == "Café au lait is a drink.\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`pipeline clean | head` ends quietly with exit 0, whether much or little was left to print."""
    for text in (ARTICLE, "The river rose.\n" * 5_000):
        command = [sys.executable, "-m", "pipeline", "clean"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as running:
            assert running.stdin
            assert running.stdout
            assert running.stderr
            running.stdout.close()
            running.stdin.write(text.encode())
            running.stdin.close()
            assert running.stderr.read() == b""
            assert running.wait(timeout=60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_standard_output_is_one_line() -> None:
    """What cannot be printed is exit 1 and says why."""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "pipeline", "clean"]
        done = subprocess.run(command, input=ARTICLE.encode(), stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"No space left" in done.stderr


# -- restore


def test_restore_gives_one_record_byte_for_byte(seeds_corpus: Path) -> None:
    """The bytes of the file, and nothing else, are printed for its id."""
    for row in rows(seeds_corpus, "documents"):
        source = SEEDS / Path(row["origin"]["uri"]).name
        assert run("restore", seeds_corpus, row["id"]).stdout_bytes == source.read_bytes()


def test_restore_gives_many_as_json_lines(mixed_corpus: Path) -> None:
    """All records, documents or not, come back; bytes that are no UTF-8 as base64."""
    records = [json.loads(line) for line in run("restore", mixed_corpus).stdout.splitlines()]
    assert len(records) == 8
    texts = {record["uri"]: record.get("text") for record in records}
    assert (texts["in/a.txt"], texts["in/b.txt"]) == (ARTICLE, ARTICLE.upper())
    [latin] = [record for record in records if record["uri"] == "in/c.txt"]
    assert base64.b64decode(latin["base64"]).decode("cp1252") == "Café au lait is a drink.\n"
    two = [record["id"] for record in records[:2]]
    assert [json.loads(line)["id"] for line in run("restore", mixed_corpus, *two).stdout.splitlines()] == two


def test_restore_writes_files_whose_names_never_come_from_data(mixed_corpus: Path, tmp_path: Path) -> None:
    """With -o each record is a numbered file; an index says which is which; nothing is written elsewhere."""
    run("restore", mixed_corpus, "-o", tmp_path / "back")
    index = [json.loads(line) for line in (tmp_path / "back" / "index.jsonl").read_text().splitlines()]
    names = {entry["file"] for entry in index}
    assert names == {f"{number:06d}.txt" for number in range(8)}
    assert {file.name for file in (tmp_path / "back").iterdir()} == names | {"index.jsonl"}
    assert {"../../evil", "/etc/passwd", "..", "a\x00b"} < {entry["id"] for entry in index}
    by_uri = {entry["uri"]: (tmp_path / "back" / entry["file"]).read_bytes() for entry in index}
    assert by_uri["in/a.txt"] == ARTICLE.encode()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["back", "here"]


def test_restore_names_an_id_that_is_not_there(seeds_corpus: Path) -> None:
    """An unknown id is wrong usage and nothing is printed for the others."""
    known = rows(seeds_corpus, "documents")[0]["id"]
    assert "nobody" in fails("restore", seeds_corpus, known, "nobody", code=2)


def test_restore_into_a_file_is_one_line(seeds_corpus: Path) -> None:
    """A folder that cannot be made fails in one line."""
    Path("file").touch()
    assert "file" in fails("restore", seeds_corpus, "-o", "file", code=1)


def test_restore_says_whose_bytes_were_not_kept() -> None:
    """Of a record that was too large there are no bytes: null in JSON, no file, a clear line for its id."""
    Path("in").mkdir()
    Path("in/a.txt").write_text(ARTICLE)
    run("build", "in", "--max-document", "10")
    [record] = [json.loads(line) for line in run("restore", "output/corpus").stdout.splitlines()]
    assert record["text"] is None
    assert "in/a.txt" in fails("restore", "output/corpus", record["id"], code=1)
    run("restore", "output/corpus", "-o", "back")
    assert json.loads(Path("back/index.jsonl").read_text())["file"] is None
    assert [file.name for file in Path("back").iterdir()] == ["index.jsonl"]


def test_restore_refuses_to_choose_between_records_of_one_id() -> None:
    """Where an id came twice with other texts its bytes would be ambiguous: exit 2, and -o gives both."""
    Path("in").mkdir()
    lines = [json.dumps({"id": "x", "text": text}) + "\n" for text in ("One text of some words.", "Another text.")]
    Path("in/a.jsonl").write_text("".join(lines))
    run("build", "in")
    assert "-o DIR" in fails("restore", "output/corpus", "x", code=2)
    run("restore", "output/corpus", "x", "-o", "back")
    assert len(list(Path("back").glob("*.txt"))) == 2


# -- check


def test_check_passes_on_a_fresh_corpus(seeds_corpus: Path) -> None:
    """A sound corpus is exit 0, in words and as JSON."""
    assert run("check", seeds_corpus).stdout.startswith("sound: ")
    report = json.loads(run("check", seeds_corpus, "--json").stdout)
    assert report["ok"]
    assert report["findings"] == []
    assert report["rows"]["documents"] == 4


def test_check_finds_a_flipped_byte_of_any_file() -> None:
    """One flipped byte in whichever published file is exit 1, and the file is named."""
    run("build", SEEDS)
    for file in sorted(path for path in Path("output/corpus").resolve().rglob("*") if path.is_file()):
        whole = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        result = run("check", "output/corpus", code=1)
        assert file.name in result.output
        report = run("check", "output/corpus", "--json", code=1)
        if file.name != "manifest.json":
            assert not json.loads(report.stdout)["ok"]
        file.write_bytes(whole)
    run("check", "output/corpus")


# -- rules


def test_rules_are_listed_with_the_users_own() -> None:
    """Every rule is one line; a folder of packs adds its own."""
    Path("own").mkdir()
    Path("own/ferry.toml").write_text(GOOD_PACK)
    listed = run("rules", "list").stdout.splitlines()
    with_own = run("rules", "list", "--rules", "own").stdout.splitlines()
    assert len(with_own) == len(listed) + 1
    assert {line.split()[1] for line in listed} >= {"newsletter", "donation", "related", "share"}
    assert any(line.split()[:2] == ["own.ferry", "other"] for line in with_own)


def test_every_example_of_every_pack_holds() -> None:
    """`rules test` passes on the packs of the package and on a sound pack of a user."""
    Path("own").mkdir()
    Path("own/ferry.toml").write_text(GOOD_PACK)
    assert run("rules", "test", "--rules", "own").stdout.endswith(" 0 wrong\n")


def test_a_wrong_example_fails_and_is_named() -> None:
    """An example that its rule does not treat as said is exit 1 with rule and example."""
    Path("own").mkdir()
    Path("own/ferry.toml").write_text(GOOD_PACK.replace('"The ferry sank."', '"Ferry times today were wrong"'))
    output = run("rules", "test", "--rules", "own", code=1).stdout
    assert "own.ferry" in output
    assert "Ferry times today were wrong" in output
    assert output.endswith(" 1 wrong\n")


# -- the stages one at a time


def test_each_stage_reads_a_folder_of_shards_and_writes_one() -> None:
    """read, strip, validate, dedupe and write, run by hand, say how many records they had and make a sound corpus."""
    Path("in").mkdir()
    Path("in/a.txt").write_text(ARTICLE)
    Path("in/b.txt").write_text(ARTICLE)
    assert run("read", "in", "-o", "1").stdout == "2 records\n"
    for number, stage in enumerate(["strip", "validate", "dedupe"], 1):
        assert run(stage, number, "-o", number + 1).stdout == "2 records\n"
        assert [file.name for file in sorted(Path(str(number + 1)).iterdir())] == ["inputs.json", "shard-00000.parquet"]
    assert run("write", "4").stdout == "documents 1, removed 1, duplicates 1, quarantine 0\n"
    run("check", "output/corpus")


def test_a_damaged_shard_is_one_clear_line() -> None:
    """A shard that is no Parquet file, or of another schema, is named."""
    Path("1").mkdir()
    Path("1/shard-00000.parquet").write_bytes(b"PAR1 and nothing else")
    assert "shard-00000" in fails("strip", "1", "-o", "2", code=1)
    Path("a.txt").write_text(ARTICLE)
    run("read", "a.txt", "-o", "3")
    Path("3/inputs.json").write_text("[]")
    assert "inputs.json" in fails("strip", "3", "-o", "4", code=2)


# -- the whole program


@pytest.mark.parametrize("command", ["", "build", "clean", "restore", "check", "rules", "rules list", "strip", "write"])
def test_help_answers_at_once(command: str) -> None:
    """Each help text takes less than 0.3 seconds of CPU time; on a busy machine one of a few tries does."""
    assert any(cpu_of_help(command) < 0.3 for _ in range(5))


def cpu_of_help(command: str) -> float:
    """CPU seconds of a help text."""
    pid = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *command.split(), "--help"], stdout=subprocess.DEVNULL
    ).pid
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def test_the_version_is_printed() -> None:
    """`--version` names the program and its version, and who does the inner loops."""
    first, second = run("--version").stdout.splitlines()
    assert first == f"pipeline, version {version('news-corpus-pipeline')}"
    assert second.startswith("inner loops: " + ("compiled" if kernels.compiled else "NumPy"))


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Three files, each large enough to be a shard of its own."""
    folder = tmp_path / "large"
    folder.mkdir()
    for part in range(3):
        with (folder / f"{part}.jsonl").open("w") as lines:
            for number in range(80):
                text = f"{ARTICLE}Ship {part}-{number} came in. " + "The quay was empty by then. " * 4_000
                lines.write(json.dumps({"id": f"{part}-{number}", "text": text}) + "\n")
    return folder


def test_a_killed_build_goes_on_where_it_was(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After kill -9 the next build does not redo finished shards and publishes what an undisturbed one would."""
    command = [sys.executable, "-m", "pipeline", "build", str(large), "-o", str(tmp_path / "out"), "--workers", "1"]
    work = tmp_path / "out" / ".work"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while running.poll() is None and not list(work.glob("[!.]*.fingerprints.arrow")):
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    left = {file.name for file in work.glob("[!.]*.arrow")}
    # A shard is finished with its fingerprints, which come last; what it may have lost between the two is made again.
    finished = {name for name in left if name.replace(".stripped.", ".fingerprints.") in left}
    assert finished
    assert not (tmp_path / "out" / "corpus").exists()

    written = []
    write_shard = shards.write_shard
    monkeypatch.setattr(
        shards, "write_shard", lambda path, *rest: written.append(path.name) or write_shard(path, *rest)
    )
    again = build([str(large)], tmp_path / "out", Config(workers=1))
    assert written
    assert not set(written) & finished
    undisturbed = build([str(large)], tmp_path / "other", Config(workers=1))
    assert again.corpus.resolve().name == undisturbed.corpus.resolve().name
    assert not list(work.glob("*.stripped.arrow"))


def test_a_shard_that_a_power_cut_tore_is_made_again(tmp_path: Path) -> None:
    """Work that is left of an interrupted build but not whole does not stop the next one."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / "a.txt").write_text(ARTICLE)
    (inputs / "b.txt").write_bytes(b"\xff")
    run("build", inputs, "--strict", code=1)
    left = list(Path("output/.work").glob("*.arrow"))
    assert left
    for file in left:
        file.write_bytes(file.read_bytes()[:20])
    run("build", inputs)
    run("check", "output/corpus")


def test_every_table_is_there_even_when_it_is_empty(seeds_corpus: Path) -> None:
    """A corpus always has all four tables."""
    assert {table: len(rows(seeds_corpus, table)) > 0 for table in TABLES} == {
        "documents": True,
        "removed": True,
        "duplicates": False,
        "quarantine": False,
    }
