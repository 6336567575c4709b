"""Clients that other generators make from the OpenAPI document compile, upload a list, follow it
and read its results. That in Go needs Go, and a module of the Go module proxy.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from examples import whole_job

from tests.installation import ROOT, Installation
from voiceops import VoiceOps

DOCUMENT = ROOT / "kits/python/openapi.json"
CLIENTS = ROOT / "kits/generators"
BIN = Path(sys.executable).parent
RESULTS = "+12025550100 answered\n+12025550160 no_answer\n+12025550170 busy\n"
WITHOUT_PAGES = "models,apis,supportingFiles,apiDocs=false,modelDocs=false,apiTests=false"
# What makes a client, where that is not Python.
PROGRAMS = {"with_openapi_generator_for_go": "go", "with_hey_api": "npm"}
Makers = dict[str, "Future[Path]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Makers]:
    """The folders with the compiled clients, which are made two at a time."""
    makers = (with_openapi_python_client, with_openapi_generator_for_go, with_hey_api)
    with ThreadPoolExecutor(2) as pool:
        yield {
            maker.__name__: pool.submit(maker, tmp_path_factory.mktemp(maker.__name__))
            for maker in (*makers, with_openapi_generator_for_python)
            if shutil.which(PROGRAMS.get(maker.__name__, "python3"))
        }


@pytest.fixture
def job(installation: Installation, voiceops: VoiceOps, list_file: Path) -> list[str]:
    """What a client is told: server, key, agent, number and list."""
    agent = whole_job.prepare_agent(voiceops).id
    number = whole_job.prepare_number(voiceops).id
    return [installation.url, installation.api_key, agent, number, str(list_file)]


def run(*command: object, cwd: Path, **variables: str) -> str:
    """What a command that succeeds has printed."""
    path = f"{BIN}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": path, **variables},
        text=True,
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def openapi_generator(language: str, target: Path, *options: str) -> None:
    generate = ("openapi-generator-cli", "generate", "-i", DOCUMENT, "-g", language)
    parts = f"{WITHOUT_PAGES},modelTests=false"
    run(*generate, "-o", target, "--global-property", parts, *options, cwd=target)


def with_openapi_python_client(folder: Path) -> Path:
    package = folder / "openapi_python_client_made"
    config = CLIENTS / "openapi-python-client.yaml"
    generate = ("openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none")
    options = ("--config", config, "--output-path", package, "--fail-on-warning")
    run(*generate, *options, cwd=folder)
    run(sys.executable, "-m", "compileall", "-q", package, cwd=folder)
    return folder


def with_openapi_generator_for_python(folder: Path) -> Path:
    openapi_generator("python", folder, "--package-name", "openapi_generator_made")
    run(sys.executable, "-m", "compileall", "-q", "openapi_generator_made", cwd=folder)
    return folder


def with_openapi_generator_for_go(folder: Path) -> Path:
    # Go would have two things of one name: the type `NewApiKey`, and the maker of an `ApiKey`.
    names = ("--model-name-mappings", "NewApiKey=CreatedApiKey,NewWebhook=CreatedWebhook")
    openapi_generator("go", folder, "--additional-properties", "enumClassPrefix=true", *names)
    (folder / "job").mkdir()
    shutil.copy(CLIENTS / "with_openapi_generator.go", folder / "job")
    return folder


def with_hey_api(folder: Path) -> Path:
    shutil.copytree(CLIENTS, folder, dirs_exist_ok=True)
    shutil.copy(DOCUMENT, folder)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=folder)
    run("node_modules/.bin/openapi-ts", cwd=folder)
    run("node_modules/.bin/tsc", "--project", ".", cwd=folder)
    return folder


def test_openapi_python_client(made: Makers, job: list[str]) -> None:
    folder = made["with_openapi_python_client"].result()
    program = CLIENTS / "with_openapi_python_client.py"

    assert run(sys.executable, program, *job, cwd=folder, PYTHONPATH=str(folder)) == RESULTS


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_hey_api(made: Makers, job: list[str]) -> None:
    folder = made["with_hey_api"].result()

    assert run("node", "client.js", *job, cwd=folder) == RESULTS


def test_openapi_generator_for_python(made: Makers, job: list[str]) -> None:
    folder = made["with_openapi_generator_for_python"].result()
    program = CLIENTS / "with_openapi_generator.py"

    assert run(sys.executable, program, *job, cwd=folder, PYTHONPATH=str(folder)) == RESULTS


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_openapi_generator_for_go(
    made: Makers, job: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made["with_openapi_generator_for_go"].result()
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.setenv("GOTOOLCHAIN", "local")

    go = ("go", "mod", "tidy")
    done = subprocess.run(go, cwd=folder, text=True, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        pytest.skip(f"Go is too old, or cannot load the client's one module: {done.stderr[-200:]}")

    run("go", "build", "-o", "client", "./job", cwd=folder)

    assert run(folder / "client", *job, cwd=folder) == RESULTS
