"""The Python API: cheap to import, the same results as the commands, examples that are true."""

from __future__ import annotations

import doctest
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import pipeline
from pipeline.cli import main
from tests.conftest import ROOT, SEEDS
from tests.test_build import digests


def test_every_name_is_there() -> None:
    """Each name of __all__ can be had, is what its home module calls it, and has a docstring."""
    for name in pipeline.__all__:
        assert getattr(pipeline, name).__doc__
        assert name in dir(pipeline)
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        pipeline.nothing_of_ours  # type: ignore[attr-defined]  # noqa: B018


def test_importing_it_loads_nothing() -> None:
    """`import pipeline` brings neither Arrow nor NumPy nor pydantic nor click."""
    code = (
        "import sys, pipeline;"
        "assert not {'pyarrow', 'numpy', 'pydantic', 're2', 'click'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "first", ["", "import pipeline.build", "from pipeline.build import build", "from pipeline import build, check"]
)
def test_a_function_is_not_hidden_by_the_module_of_its_name(first: str) -> None:
    """Whatever was imported before, `pipeline.build` can be called, and its module's names can be had."""
    code = (
        f"{first}\nimport pipeline\n"
        "assert pipeline.clean('A text of a few words.').text\n"
        "for name in ('build', 'check', 'diff', 'why', 'restore'):\n"
        "    assert callable(getattr(pipeline, name)), name\n"
        "import pipeline.build\n"
        "assert pipeline.build.WORK and callable(pipeline.build)\n"
        "try:\n"
        "    pipeline.build('no-such-folder', 'no-such-output')\n"
        "except pipeline.UsageError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "refused\n"


def test_clean_is_what_the_command_does() -> None:
    """Text, spans and fields are those of `pipeline clean --json`, at every strictness."""
    file = sorted(SEEDS.glob("*.txt"))[2]
    text = file.read_bytes().decode("utf-8-sig")
    for strictness in ("careful", "balanced", "thorough"):
        printed = CliRunner().invoke(main, ["clean", str(file), "--strictness", strictness, "--json"]).stdout
        article = pipeline.clean(text, strictness=strictness)
        assert json.loads(json.dumps(article.to_json())) == json.loads(printed)


def test_many_articles_come_out_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size give, in order, what each text gives on its own; empty texts included."""
    from pipeline import api

    texts = [file.read_text(encoding="utf-8") for file in sorted(SEEDS.glob("*.txt"))] * 2 + ["", " \n"]
    alone = [pipeline.clean(text) for text in texts]
    for rows, characters in ((500, 4_000_000), (3, 4_000_000), (500, 9_000)):
        monkeypatch.setattr(api, "BATCH", rows)
        monkeypatch.setattr(api, "BATCH_CHARACTERS", characters)
        assert list(pipeline.clean_many(iter(texts))) == alone
    assert list(pipeline.clean_many([])) == []


def test_rules_of_ones_own_are_used(tmp_path: Path) -> None:
    """A folder of packs can be named as text, as a path, or in a list."""
    (tmp_path / "own.toml").write_text(
        'label = "other"\n[[rule]]\nid = "own.ferry"\npattern = "^Ferry times today"\n'
        'match = ["Ferry times today", "Ferry times today and tomorrow"]\n'
        'no_match = ["The ferry was late today", "Today the ferry came in time"]\n'
    )
    text = "The council voted on Tuesday to keep the bridge open, the mayor said.\n\nFerry times today\n"
    assert "Ferry" in pipeline.clean(text).text
    for rules in (str(tmp_path), tmp_path, [tmp_path]):
        assert "Ferry" not in pipeline.clean(text, rules=rules).text


def test_the_package_can_be_sent_to_a_worker() -> None:
    """A user's function that mentions the package travels to other processes: modules go by their names."""
    import pipeline.build as module

    for sent in (pipeline, module):
        assert pickle.loads(pickle.dumps(sent)) is sent


def test_a_wrong_argument_is_a_value_error() -> None:
    """A strictness that does not exist is named."""
    with pytest.raises(ValueError, match="strictness"):
        pipeline.clean("text", strictness="brutal")  # type: ignore[arg-type]


def test_build_publishes_what_the_command_publishes(tmp_path: Path) -> None:
    """The same bytes, with inputs as text or path, one or several; progress is told."""
    CliRunner().invoke(main, ["build", str(SEEDS), "-o", str(tmp_path / "command")])
    told: list[tuple[str, int, int]] = []
    one = pipeline.build(SEEDS, tmp_path / "one", progress=lambda *step: told.append(step))
    several = pipeline.build([str(SEEDS)], str(tmp_path / "several"), config=pipeline.Config(workers=1))
    assert digests(one.corpus) == digests(several.corpus) == digests(tmp_path / "command" / "corpus")
    assert ("write", 1, 1) in told


def test_the_examples_of_the_page_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of docs/python.md prints what it says."""
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(
        str(ROOT / "docs" / "python.md"), module_relative=False, globs={"output": tmp_path / "output"}, encoding="utf-8"
    )
    assert tried > 10
    assert failed == 0
