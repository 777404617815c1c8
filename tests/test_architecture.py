"""The shape of the code: layers, no cycles, stages that do not know each other, a library that does not print."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each part may import, itself aside. The straight path is cli -> build -> engine and stages -> records.
BASE = {"records", "config", "errors", "shuffle", "kernels"}
ALLOWED = {
    "records": set(),
    "errors": set(),
    "shuffle": set(),
    "kernels": set(),
    "config": {"errors"},
    "read": BASE,
    "strip": BASE,
    "validate": BASE,
    "language": BASE,
    "signals": BASE | {"strip.blanks", "strip.lines"},
    "dedupe": BASE | {"strip.lines"},
    "write": BASE | {"strip.cut"},
    "shards": BASE | {"write.durable"},
    "engine": {"errors"},
    "memory": {"errors"},
}


def imports(file: Path) -> set[str]:
    """The modules of the package that a file imports when it runs; of a package, the module that is taken from it."""
    found = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {id(inner) for node in ast.walk(tree) if is_type_checking(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name for name in inner if is_module(name.removeprefix("pipeline."))} or {node.module}
    return {name.removeprefix("pipeline.") for name in found if name.startswith("pipeline.")}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_a_stage_imports_only_what_lies_below_it(file: Path) -> None:
    """Stages know records, config and errors, never each other (blanks, lines and cut, which strip lends, aside)."""
    part = module_name(file).split(".")[0]
    if part not in ALLOWED:
        pytest.skip("the top of the house may import every stage")
    used = {name for name in imports(file) if is_module(name) and name.split(".")[0] != part}
    strangers = {name for name in used if not any(name == ok or name.startswith(f"{ok}.") for ok in ALLOWED[part])}
    assert strangers - {"strip"} == set()


def test_there_is_no_import_cycle() -> None:
    """Following imports never leads back to where one started."""
    graph = {module_name(file): {name for name in imports(file) if is_module(name)} for file in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for other in graph.get(name, ()):
                if other != name:
                    visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


# Commands: those users run, and the one that makes the weights.
COMMANDS = {"strip.model.train"} | {name for name in map(module_name, MODULES) if name.split(".")[0] == "cli"}


@pytest.mark.parametrize("file", [file for file in MODULES if module_name(file) not in COMMANDS], ids=module_name)
def test_the_library_never_prints_or_exits(file: Path) -> None:
    """Only commands talk to the user."""
    calls = [node.func for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = {ast.unparse(call) for call in calls}
    assert not names & {"print", "exit", "quit", "sys.exit", "os._exit", "click.echo", "input"}


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_nothing_that_runs_foreign_code_is_used(file: Path) -> None:
    """No eval, no pickle of foreign data, no YAML, no regex engine that can run away in the stages."""
    assert not imports_of(file) & {"pickle", "yaml", "marshal", "shelve"}
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not calls & {"eval", "exec", "compile", "__import__"}


def imports_of(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_help_does_not_load_the_heavy_libraries() -> None:
    """`pipeline --help` imports neither pyarrow nor numpy nor pydantic, so it answers at once."""
    code = (
        "import sys; from click.testing import CliRunner; from pipeline.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "assert not {'pyarrow', 'numpy', 'pydantic', 're2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_module_has_outgrown_its_reader() -> None:
    """A module that no longer fits a reader's head is split; 400 lines is the limit but for the trainer."""
    others = [file for file in MODULES if module_name(file) != "strip.model.train"]
    long = {module_name(file): count for file in others if (count := len(file.read_text().splitlines())) > 400}
    assert long == {}
