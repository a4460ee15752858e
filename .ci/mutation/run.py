"""Change single operators, numbers, conditions and rows of tables where it is decided; the tests must notice.

Each file beside this one names a module, the tests that must notice, slower ones for what passes those, the
functions that are not part of the question, and, as `equal`, the lines of mutants that nobody could notice, with
the reason; those are not tried. The mutants are those of cosmic-ray, and each row of a table at module level left
out or, where it leads to a member of an enumeration, led to each other member. Every mutant is tried on a copy of
the tree in a process of its own; the processes are forked from one that has imported everything but the product.
`make mutation` runs it.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import difflib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final

import pytest

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
BUILD: Final = ROOT / "build" / "mutation"
sys.path.append(str(BUILD / "tools"))  # last: of what both have, the product's is meant

from cosmic_ray.ast import ast_nodes, get_ast  # noqa: E402
from cosmic_ray.ast.ast_query import ASTQuery  # noqa: E402
from cosmic_ray.mutating import MutationVisitor  # noqa: E402
from cosmic_ray.plugins import get_operator, operator_names  # noqa: E402

COPIED: Final = ("connector", "workers", "config", "tests", "pyproject.toml")
OURS: Final = {"connector", "workers", "config", "tests", "conftest", "__main__"}
OPTIONS: Final = (
    "-x",
    "-q",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "-p",
    "no:cov",
    "-o",
    "timeout=60",
)
LONGEST: Final = 60
"""Seconds of processor time for the tests of one mutant; what never ends is noticed."""
NEEDED: Final = 95.0
"""Per cent of the mutants of each module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A module with one change."""

    line: int
    change: str
    after: str

    @property
    def became(self) -> str:
        """The last line that changed, as it is now; where it is gone, as it was."""
        return self.change.splitlines()[-1].lstrip("+-").strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="files beside this one, by default all")
    parser.add_argument("--sample", type=int, metavar="N", help="try so many mutants of each module, drawn at random")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    wanted = parser.parse_args()
    names = wanted.names or sorted(path.stem for path in HERE.glob("*.toml"))
    tree = _copy(BUILD / "tree")
    os.chdir(tree)
    os.environ["CI"] = "1"  # hypothesis tries the same examples for every mutant
    enough = [try_all(name, tree, wanted.sample, wanted.seed) for name in names]
    return 0 if all(enough) else 1


def try_all(name: str, tree: Path, sample: int | None, seed: int) -> bool:
    """Try the mutants of one module; return whether enough of them are noticed."""
    settings = tomllib.loads((HERE / f"{name}.toml").read_text())
    module = tree / settings["module"]
    source = module.read_text()
    for tests in ("tests", "slower"):
        if tests in settings:
            _warm_up([*OPTIONS, *settings[tests]], tree)
    Path(cache_from_source(str(module))).unlink()  # a mutant must never be taken for its original
    equal = {each["line"] for each in settings.get("equal", [])}
    made = [*operators(source, set(settings.get("left-out", []))), *rows(source)]
    if unknown := equal - {mutant.became for mutant in made}:
        sys.exit(f"{name}.toml calls equal what no mutant is: {'; '.join(sorted(unknown))}")
    mutants = [mutant for mutant in made if mutant.became not in equal]
    tried = mutants if sample is None else random.Random(seed).sample(mutants, min(sample, len(mutants)))  # noqa: S311
    survivors = 0
    for number, mutant in enumerate(tried):
        if number and number % 10 == 0:
            print(f"{name}: {number} of {len(tried)} tried, {survivors} survived", file=sys.stderr, flush=True)
        module.write_text(mutant.after)
        if all(_passes([*OPTIONS, *settings[tests]]) for tests in ("tests", "slower") if tests in settings):
            survivors += 1
            print(f"{name}, survivor {survivors}, line {mutant.line}: {mutant.change}", flush=True)
    module.write_text(source)
    killed = len(tried) - survivors
    share = 100.0 * killed / (len(tried) or 1)
    print(
        f"{settings['module']}: {len(made)} mutants, {len(made) - len(mutants)} equal,"
        f" {len(tried)} tried, {killed} killed ({share:.1f} %)",
        flush=True,
    )
    return share >= NEEDED


# ---------------------------------------------------------------- mutants


def operators(source: str, left_out: set[str]) -> Iterator[Mutant]:
    """Yield what cosmic-ray makes of a module.

    Annotations are left alone, for they are never evaluated, and so are the marks `*` and `/` of signatures, which
    cosmic-ray takes for operators: they say how to call, not what happens.
    """
    tree, annotations, meaning = get_ast(source), list(_annotations(source)), _meaning(source)
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments():  # these need to be told what to replace
            continue
        places = ((node, *place) for node in ast_nodes(tree) for place in kind().mutation_positions(node))
        for occurrence, (node, start, end) in enumerate(places):
            annotated = any(first <= start and end <= last for first, last in annotations)
            if annotated or ASTQuery(node).get_definition_name() in left_out:
                continue
            after = MutationVisitor.mutate_code(source, kind(), occurrence)
            if _meaning(after) in {meaning, None}:
                continue
            changed = [line for line in _differences(source, after) if not line.startswith(("---", "+++", "@@"))]
            yield Mutant(line=start[0], change="\n".join([name.removeprefix("core/"), *changed]), after=after)


def _meaning(source: str) -> str | None:
    """Return what a module does, whichever arguments have to be named; None if it is no program at all."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults = [*node.defaults, *filter(None, node.kw_defaults)]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
    return ast.dump(tree)


def _differences(before: str, after: str) -> Iterator[str]:
    return difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            found = getattr(node, name, None)
            if found is not None:
                yield (found.lineno, found.col_offset), (found.end_lineno, found.end_col_offset)


def rows(source: str) -> Iterator[Mutant]:
    """Yield a module with one row less in a table at module level, or with one that leads elsewhere."""
    tree = ast.parse(source)
    members = {
        node.name: [item.targets[0].id for item in node.body if isinstance(item, ast.Assign)]
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    for number, statement in enumerate(tree.body):
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            continue
        keys = {key for node in ast.walk(statement.value) if isinstance(node, ast.Dict) for key in node.keys}
        for place, node in enumerate(ast.walk(statement.value)):
            for change, edit in () if node in keys else _edits(node, members):
                other = copy.deepcopy(tree)
                edit(list(ast.walk(other.body[number].value))[place])
                yield Mutant(line=node.lineno, change=change, after=ast.unparse(other))


def _edits(node: ast.AST, members: dict[str, list[str]]) -> Iterator[tuple[str, Callable[[Any], object]]]:
    if (
        isinstance(node, ast.Set | ast.Tuple)
        and len(node.elts) > 1
        and not isinstance(getattr(node, "ctx", None), ast.Store)
    ):
        for index, element in enumerate(node.elts):
            yield f"left out: {ast.unparse(element)}", lambda table, i=index: table.elts.pop(i)
    if isinstance(node, ast.Dict):
        for index, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            row = ast.unparse(key)
            yield f"left out: {row}", lambda table, i=index: (table.keys.pop(i), table.values.pop(i))
            if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
                for member in members.get(value.value.id, []):
                    if member != value.attr:
                        yield (
                            f"{row} to {member}",
                            lambda table, i=index, m=member: setattr(table.values[i], "attr", m),
                        )


# ---------------------------------------------------------------- trying one


def _passes(arguments: list[str]) -> bool:
    child = os.fork()
    if child == 0:
        _silence()
        os._exit(int(pytest.main(arguments)))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _warm_up(arguments: list[str], tree: Path) -> None:
    """Run the tests on the original, then import here what they imported besides the product."""
    told = tree / "modules.json"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    child = os.fork()
    if child == 0:
        code = int(pytest.main(arguments))
        told.write_text(json.dumps([name for name in sys.modules if name.partition(".")[0] not in OURS]))
        sys.stdout.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit("The tests fail on the original.")
    for name in json.loads(told.read_text()):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # for the processes that tests start


def _silence() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _copy(tree: Path) -> Path:
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, tree / name)
    return tree


if __name__ == "__main__":
    sys.exit(main())
