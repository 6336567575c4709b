"""Clients that other generators make from the OpenAPI document compile; those in Python and
TypeScript upload a list, follow it and read its results.
"""

import os
import shutil
import subprocess
import sys
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

pytestmark = pytest.mark.timeout(240)


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
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def openapi_generator(language: str, target: Path, *options: str) -> None:
    generate = ("openapi-generator-cli", "generate", "-i", DOCUMENT, "-g", language)
    parts = f"{WITHOUT_PAGES},modelTests=false"
    run(*generate, "-o", target, "--global-property", parts, *options, cwd=target)


def test_openapi_python_client(job: list[str], tmp_path: Path) -> None:
    package = tmp_path / "openapi_python_client_made"
    config = CLIENTS / "openapi-python-client.yaml"
    generate = ("openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none")
    options = ("--config", config, "--output-path", package, "--fail-on-warning")
    run(*generate, *options, cwd=tmp_path)

    run(sys.executable, "-m", "compileall", "-q", package, cwd=tmp_path)
    program = CLIENTS / "with_openapi_python_client.py"
    printed = run(sys.executable, program, *job, cwd=tmp_path, PYTHONPATH=str(tmp_path))

    assert printed == RESULTS


def test_openapi_generator_for_python(job: list[str], tmp_path: Path) -> None:
    openapi_generator("python", tmp_path, "--package-name", "openapi_generator_made")

    run(sys.executable, "-m", "compileall", "-q", "openapi_generator_made", cwd=tmp_path)
    program = CLIENTS / "with_openapi_generator.py"
    printed = run(sys.executable, program, *job, cwd=tmp_path, PYTHONPATH=str(tmp_path))

    assert printed == RESULTS


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_openapi_generator_for_go(tmp_path: Path) -> None:
    # Go would have two things of one name: the type `NewApiKey`, and the maker of an `ApiKey`.
    names = ("--model-name-mappings", "NewApiKey=CreatedApiKey,NewWebhook=CreatedWebhook")
    options = ("--additional-properties", "enumClassPrefix=true", *names)
    openapi_generator("go", tmp_path, *options)

    run("go", "build", "./...", cwd=tmp_path, GOFLAGS="-mod=mod")


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_hey_api(job: list[str], tmp_path: Path) -> None:
    shutil.copytree(CLIENTS, tmp_path, dirs_exist_ok=True)
    shutil.copy(DOCUMENT, tmp_path)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=tmp_path)
    run("node_modules/.bin/openapi-ts", cwd=tmp_path)

    run("node_modules/.bin/tsc", "--project", ".", cwd=tmp_path)
    printed = run("node", "client.js", *job, cwd=tmp_path)

    assert printed == RESULTS
