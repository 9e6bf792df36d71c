import ast
from graphlib import TopologicalSorter
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"


def imported_by(file, modules):
    """The modules of the bench that *file* imports anywhere, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & modules


def test_modules_of_the_bench_do_not_import_each_other_in_a_circle():
    """A module can be read, and moved, with what it imports and nothing else."""
    files = {f"bench.{file.stem}": file for file in BENCH.glob("*.py")}
    graph = {name: imported_by(file, set(files)) for name, file in files.items()}

    order = tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle

    assert "bench.surroundings" in order
