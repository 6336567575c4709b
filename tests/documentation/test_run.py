"""Every shell and Python block is run as it stands, page by page, against a running installation.

The tutorial comes first; the other pages go on in its terminal, as they say.
"""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.documentation.pages import TUTORIAL, Block, blocks_of, every_page
from tests.ops.conftest import environment, mark  # noqa: F401 - fixtures
from tests.ops.processes import processes_of

# Lines that are not run, by what they begin with, and why.
NOT_RUN = {
    "make ": "CI runs the targets; here, the fixture has started `make serve`",
    "docker ": "needs Docker",
    "cp .env.example ": "would make the examples the settings of this installation",
    "sqlite3 ": "needs a package that is not installed everywhere",
    ".venv/bin/ruff ": "`make check` runs it",
    ".venv/bin/mypy ": "`make check` runs it",
    ".venv/bin/lint-imports": "`make check` runs it",
    ".venv/bin/python -m pytest ": "this is one of those tests",
    ".venv/bin/python manage.py sandbox ": "the fixture has started one, and it runs until Ctrl-C",
    ".venv-worker/": "an environment of its own: `make test-worker`",
}
# Python that cannot be run, by its first line, and why.
SKETCHES = {
    "server = AgentServer()": "a sketch with gaps",
    "class ScriptedLLM(llm.LLM):": "needs livekit-agents, an environment of its own (voice/tests)",
}
# Pages whose blocks other tests run.
RUN_ELSEWHERE = {
    "docs/kits.md": "kits/python/tests/test_page.py, by `make test-kits`",
    "docs/typescript.md": "kits/typescript/check.sh, by `make test-kits`",
}
OUTPUT = "Output"  # the title of a block with what the block before it prints
PAGE_SECONDS = 100

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def installation(environment: dict[str, str], mark: str) -> Iterator[dict[str, str]]:  # noqa: F811
    """What `make serve` starts; the environment of a second terminal in the same folder."""
    command = [sys.executable, "manage.py", "serve"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE
    ) as server:
        try:
            assert server.stdout is not None
            lines = [*iter(server.stdout.readline, "Ctrl-C stops everything\n")]
            assert any(line.startswith("Ready: ") for line in lines), lines
            yield {name: value for name, value in environment.items() if name != "DEBUG"}
        finally:
            for pid in processes_of(mark):
                os.kill(pid, 9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the clone as far as the pages use it: they write files beside it."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in (".venv", "manage.py", "ops", "sandbox"):
        (clone / name).symlink_to(ROOT / name)
    return clone


def script_of(blocks: list[Block]) -> str:
    """The blocks as one script, which prints a mark and the block's number before each."""
    parts = ["set -euo pipefail"]
    for at, block in enumerate(blocks):
        parts.append(f"printf '\\036%s\\n' {at}")
        if block.language == "python":
            parts.append(f".venv/bin/python - <<'END_OF_PYTHON'\n{block.text}\nEND_OF_PYTHON")
        else:
            kept = [line for line in block.text.split("\n") if not line.startswith((*NOT_RUN,))]
            parts.append("\n".join(kept))
    return "\n".join([*parts, "printf '\\036end\\n'", 'env -0 >"$STATE"'])


def run_page(page: Path, folder: Path, variables: dict[str, str]) -> tuple[list[str], str]:
    """Run the blocks of a page; returns what is wrong, and the environment at the end."""
    blocks = [*blocks_of(page)]
    runnable = [block for block in blocks if is_run(block)]
    state = folder / "state"
    done = subprocess.run(
        ["bash", "-c", script_of(runnable)],
        cwd=folder,
        env={**variables, "STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=PAGE_SECONDS,
        check=False,
    )
    printed = dict(re.findall(r"\x1e(\w+)\n([^\x1e]*)", done.stdout))
    if "end" not in printed:
        last = runnable[len(printed) - 1]
        return [f"{last.place} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}"], ""
    wrong = []
    for before, block in itertools.pairwise(blocks):
        if block.title == OUTPUT:
            output = printed[str(runnable.index(before))].replace("\r\n", "\n").rstrip("\n")
            if output != block.text:
                wrong.append(f"{before.place} prints {output!r}")
    return wrong, state.read_text()


def is_run(block: Block) -> bool:
    first = block.text.partition("\n")[0]
    is_sketch = any(first.startswith(sketch) for sketch in SKETCHES)
    return block.language == "sh" or (block.language == "python" and not is_sketch)


def test_every_block_works_as_written(installation: dict[str, str], folder: Path) -> None:
    wrong, state = run_page(TUTORIAL, folder, installation)
    assert wrong == []
    variables = dict(pair.split("=", 1) for pair in state.split("\0") if pair)

    for page in every_page():
        is_elsewhere = page == TUTORIAL or str(page.relative_to(ROOT)) in RUN_ELSEWHERE
        if not is_elsewhere and any(map(is_run, blocks_of(page))):
            wrong += run_page(page, folder, variables)[0]

    assert wrong == []


def test_everything_that_is_not_run_stands_on_a_page() -> None:
    lines = [
        line
        for page in every_page()
        for block in blocks_of(page)
        if block.language in ("sh", "python")
        for line in block.text.split("\n")
    ]

    unused = [
        start
        for start in (*NOT_RUN, *SKETCHES)
        if not any(map(str.startswith, lines, [start] * len(lines)))
    ]
    assert unused == []
