"""Change the code in one place at a time, run the tests, and see whether one of them notices.

    python -m tests.mutation                                # all modules below, at most 150 changes each; takes hours
    python -m tests.mutation strip/cut.py                   # one module
    python -m tests.mutation strip/cut.py --sample 999      # every change that can be made to it

Works on a copy of the repository in a temporary folder; nothing of yours is touched. Which changes are tried depends on
the code alone. A change that no test can notice, since the program does the same with it, stands in
`tests/cases/equivalent.toml` with the reason and is counted apart.

Written here because the tools that there are either run each change in a fresh interpreter, which makes a run last a
day, or leave decorated functions alone, and most functions that publish are context managers. Here each change is made
in a fork of one process that has loaded the package and the tests.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parent.parent
EQUIVALENT = ROOT / "tests/cases/equivalent.toml"
SAMPLE = 150
COPY = "PIPELINE_MUTATION_COPY"  # names the copy to the program that runs in it

_CUT = ("tests/strip/test_cut.py", "tests/strip/test_lines.py")
_WRITE = ("tests/write/test_tables.py", "tests/write/test_dataset.py", "tests/write/test_publish.py")
_READ = ("tests/corpus/test_restore.py", "tests/corpus/test_check.py")
_DEDUPE = ("tests/test_dedupe.py", "tests/test_near.py")
# The modules that cut, publish, dedupe and vouch, each with the tests that speak of it, quickest first.
MODULES = {
    "strip/cut.py": _CUT,
    "strip/blanks.py": _CUT[::-1],
    "strip/lines.py": _CUT[::-1],
    "strip/ranges.py": ("tests/strip/test_ranges.py", *_CUT),
    "write/tables.py": _WRITE[:2],
    "write/dataset.py": (_WRITE[1], _READ[1]),
    "write/durable.py": ("tests/write/test_durable.py", _WRITE[2]),
    "write/publish.py": ("tests/write/test_durable.py", _WRITE[2]),
    "corpus/__init__.py": ("tests/corpus/test_corpus.py", *_READ, "tests/corpus/test_why.py"),
    "corpus/check.py": _READ[::-1],
    "corpus/restore.py": _READ,
    "dedupe/__init__.py": _DEDUPE,
    "dedupe/exact.py": _DEDUPE,
    "dedupe/near.py": _DEDUPE[::-1],
    "dedupe/signatures.py": _DEDUPE[::-1],
    "dedupe/verdicts.py": _DEDUPE,
    "validate.py": ("tests/test_validate.py",),
    "shuffle.py": _DEDUPE[::-1],
}


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        function: where, by name.
        before: the statement, or the head of it, as it was.
        after: as it is now.
        source: the whole module with the change.
    """

    function: str
    before: str
    after: str
    source: str

    def key(self) -> str:
        """What names it in the list of those that change nothing."""
        return f"{self.function}\n{self.before}\n{self.after}"

    def __str__(self) -> str:
        return f"{self.function}:\n    - {self.before}\n    + {self.after}"


_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
# Not the slash: it joins paths nearly everywhere, and any other sign there is an error that proves nothing.
_SIGNS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_NAMES = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "any": "all",
    "all": "any",
    "left": "right",
    "right": "left",
}

# A change: do it, undo it.
Change = tuple[Callable[[], object], Callable[[], object]]


def mutants(source: str) -> Iterator[Mutant]:
    """Every change to a module, in the order of its text."""
    tree = ast.parse(source)
    for function, statement, (change, undo) in _changes(tree, []):
        before = _head(statement)
        change()
        try:
            changed = ast.unparse(ast.fix_missing_locations(tree))
            after = _head(statement)
        finally:
            undo()
        # What takes a statement away stands in the list around it, so its head is the same.
        yield Mutant(function, before, "(gone)" if after == before else after, changed)


def _head(statement: ast.stmt) -> str:
    """A statement, without what it holds."""
    lines = ast.unparse(statement).splitlines()
    lines = [line for line in lines if not line.startswith("@")]
    return lines[0] if hasattr(statement, "body") else " ".join(line.strip() for line in lines)


def _changes(block: ast.AST, path: list[str]) -> Iterator[tuple[str, ast.stmt, Change]]:
    """Changes to the statements of a block and of all blocks inside, each with its function and its statement."""
    for name in ("body", "orelse", "finalbody", "handlers"):
        statements = getattr(block, name, [])
        for index, statement in enumerate(statements):
            if isinstance(statement, ast.ExceptHandler):
                yield from _changes(statement, path)
                continue
            if _is_left_alone(statement):
                continue
            function = ".".join(path) or "module"
            for change in [*_statement_changes(statements, index), *_expression_changes(statement)]:
                yield function, statement, change
            inner = isinstance(statement, ast.FunctionDef | ast.ClassDef)
            yield from _changes(statement, [*path, statement.name] if inner else path)


def _is_left_alone(statement: ast.stmt) -> bool:
    """What runs at no time, or is for people."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
        return True
    if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _statement_changes(statements: list[ast.stmt], index: int) -> Iterator[Change]:
    """A statement that does something, left out."""
    statement = statements[index]
    instead: ast.stmt = ast.Pass()
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Yield | ast.YieldFrom):
        if statement.value.value is None or isinstance(statement.value.value, ast.Name):
            return  # a context manager that does not yield cannot be entered
        instead = ast.parse("yield from ()").body[0]
    elif isinstance(statement, ast.Continue):
        instead = ast.Break()
    elif isinstance(statement, ast.Assign):
        if not isinstance(statement.targets[0], ast.Subscript | ast.Attribute):
            return  # a name that is missing is an error that proves nothing
    elif not isinstance(statement, ast.Expr | ast.AugAssign | ast.Raise | ast.Break | ast.Delete):
        return
    yield _put(statements, index, instead)


def _put(sequence: list[ast.AST], index: int, value: ast.AST) -> Change:
    former = sequence[index]
    return lambda: sequence.__setitem__(index, value), lambda: sequence.__setitem__(index, former)


def _set(node: ast.AST, name: str, value: object) -> Change:
    former = getattr(node, name)
    return lambda: setattr(node, name, value), lambda: setattr(node, name, former)


def _expression_changes(statement: ast.stmt) -> Iterator[Change]:
    """Changes to the expressions of a statement, not to those of the statements inside it."""
    if isinstance(statement, ast.AugAssign) and type(statement.op) in _SIGNS:
        yield _set(statement, "op", _SIGNS[type(statement.op)]())
    if isinstance(statement, ast.If | ast.While) and not isinstance(statement.test, ast.UnaryOp):
        yield _set(statement, "test", ast.UnaryOp(ast.Not(), statement.test))
    for node, become in _expressions(statement):
        yield from _node_changes(node, become)


# What is in the place of a node becomes something else.
Become = Callable[[ast.expr], Change]
_LEFT_ALONE = ("annotation", "returns", "decorator_list", "targets", "target", "bases", "type")


def _expressions(node: ast.AST) -> Iterator[tuple[ast.AST, Become]]:
    for name, value in ast.iter_fields(node):
        if name in _LEFT_ALONE:
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.stmt | ast.ExceptHandler | ast.JoinedStr) or not isinstance(child, ast.AST):
                continue
            if isinstance(node, ast.keyword) and _is_choice(child):
                continue
            yield child, partial(_put, value, index) if isinstance(value, list) else partial(_set, node, name)
            yield from _expressions(child)


def _is_choice(value: ast.AST) -> bool:
    """A word that chooses between ways to do something; the change is to leave it to the default."""
    return isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value not in _NAMES


def _node_changes(node: ast.AST, become: Become) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for index, sign in enumerate(node.ops):
            yield _put(node.ops, index, _COMPARISONS[type(sign)]())
    elif isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
        yield _set(node, "op", _SIGNS[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield _set(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp):
        yield become(node.operand)
    elif isinstance(node, ast.IfExp):
        yield _set(node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Call):
        yield from _call_changes(node)
    elif isinstance(node, ast.Constant):
        yield from _constant_changes(node)


def _call_changes(node: ast.Call) -> Iterator[Change]:
    """Another function of the same shape, or a keyword argument less."""
    name, kind = ("attr", ast.Attribute) if isinstance(node.func, ast.Attribute) else ("id", ast.Name)
    if isinstance(node.func, kind) and getattr(node.func, name) in _NAMES:
        yield _set(node.func, name, _NAMES[getattr(node.func, name)])
    for keyword in node.keywords:
        yield _set(node, "keywords", [other for other in node.keywords if other is not keyword])


def _constant_changes(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield _set(node, "value", not value)
    elif isinstance(value, int):
        yield _set(node, "value", value + 1)
    elif isinstance(value, str) and value in _NAMES:
        yield _set(node, "value", _NAMES[value])
    elif isinstance(value, str) and " " not in value:  # with a space it is for people
        yield _set(node, "value", value + "x")
    elif isinstance(value, bytes):
        yield _set(node, "value", value + b"x")


def in_a_copy(arguments: Sequence[str]) -> int:
    """Run this program again in a copy of the repository, which it may change."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "tree"
        # Without compiled kernels: they would do what the changed code is there for.
        ignore = shutil.ignore_patterns(".*", "__pycache__", "output", "build", "*.egg-info", "*.so")
        shutil.copytree(ROOT, copy, ignore=ignore, symlinks=True)
        if (ROOT.parent / "shared").exists():  # where tests look for foreign data
            (copy.parent / "shared").symlink_to(ROOT.parent / "shared")
        settings = {"PYTHONPATH": f"{copy}", "HYPOTHESIS_PROFILE": "mutation", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tests.mutation", *arguments]
        return subprocess.run(command, cwd=copy, env=os.environ | settings | {COPY: f"{copy}"}, check=False).returncode


def run(modules: Sequence[str], sample: int) -> int:
    """Try the changes to some modules and print a table; returns how many survived."""
    reasons = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    totals: Counter[str] = Counter()
    print(f"{'module':24} " + " ".join(f"{name:>{width}}" for width, name in _COLUMNS) + f" {'share':>8}", flush=True)
    for module in modules:
        counts = _try(module, sample, {_key(entry) for entry in reasons.get(module, [])})
        totals += counts
        print(_row(module, counts), flush=True)
    print(_row("all", totals), flush=True)
    return totals["survived"]


def _try(module: str, sample: int, equal: set[str]) -> Counter[str]:
    source, tests = (ROOT / "pipeline" / module).read_text(encoding="utf-8"), MODULES[module]
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):  # noqa: PTH123 - no path
        pytest.main(["-q", "-p", "no:cacheprovider", "--collect-only", *tests])  # loads them once, for all forks
    begin = time.monotonic()
    if verdict(module, ast.unparse(ast.parse(source)), tests, 600) != "survived":
        sys.exit(f"the tests of {module} fail without a change: {' '.join(tests)}")
    seconds = 20 + 4 * (time.monotonic() - begin)
    changes = list(mutants(source))
    chosen = random.Random(module).sample(changes, min(sample, len(changes)))
    counts: Counter[str] = Counter(changes=len(changes), tried=len(chosen))
    for mutant in chosen:
        kind = "equal" if mutant.key() in equal else verdict(module, mutant.source, tests, seconds)
        counts[kind] += 1
        if kind == "survived":
            print(f"  {mutant}", flush=True)
    return counts


def verdict(module: str, source: str, tests: Sequence[str], seconds: float) -> str:
    """`killed`, `survived` or `hung` with this source as the module.

    The tests run in a fork of this process, which has loaded them and the package already.
    """
    file = ROOT / "pipeline" / module
    former = file.read_bytes()
    file.write_text(source, encoding="utf-8")  # for the processes that tests start
    child = os.fork()
    if not child:
        _judge(module, source, tests)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                child = 0
                return "survived" if status == 0 else "killed"
            time.sleep(0.02)
        return "hung"
    finally:
        file.write_bytes(former)
        if child:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _judge(module: str, source: str, tests: Sequence[str]) -> NoReturn:
    """Put the change in place and leave with what pytest says of it."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(nothing, handle)
    code = 1
    try:
        _replace(module, source)
        with tempfile.TemporaryDirectory() as base:
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", f"--basetemp={base}/tests", *tests]))
    finally:
        os._exit(code)


def _replace(module: str, source: str) -> None:
    """Run the changed source in the place of a loaded module, and hand what it makes to all who took it from there."""
    former = sys.modules["pipeline." + module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")]
    before = dict(vars(former))
    exec(compile(source, f"{former.__file__}", "exec"), vars(former))
    for name, other in list(sys.modules.items()):
        if other is former or name.partition(".")[0] not in ("pipeline", "tests"):
            continue
        for key, value in list(vars(other).items()):
            if key in before and value is before[key]:
                setattr(other, key, vars(former)[key])


def _key(entry: Mapping[str, str]) -> str:
    return "\n".join((entry["function"], entry["before"], entry["after"]))


_COLUMNS = ((8, "changes"), (6, "tried"), (6, "equal"), (7, "killed"), (5, "hung"), (9, "survived"))


def _row(module: str, counts: Counter[str]) -> str:
    judged = counts["tried"] - counts["equal"]
    share = (counts["killed"] + counts["hung"]) / max(judged, 1)
    return f"{module:24} " + " ".join(f"{counts[name]:{width}}" for width, name in _COLUMNS) + f" {share:8.1%}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(MODULES)}; all of them by default")
    parser.add_argument("--sample", type=int, default=SAMPLE, help=f"changes of a module, {SAMPLE} unless told")
    arguments = parser.parse_args()
    if unknown := set(arguments.modules) - MODULES.keys():
        parser.error(f"no such module: {', '.join(sorted(unknown))}")
    if os.environ.get(COPY) != f"{ROOT}":
        return in_a_copy(sys.argv[1:])
    return 1 if run(arguments.modules or list(MODULES), arguments.sample) else 0


if __name__ == "__main__":
    sys.exit(main())
