"""`voiceops agents`: also as files, a folder for each agent, that git can keep and compare."""

from pathlib import Path
from typing import Annotated

import typer

from voiceops import models
from voiceops.cli.agent_files import AgentFile, differences, read_folder, write_agent
from voiceops.cli.failures import require
from voiceops.cli.output import Columns, JsonOption, LimitOption, print_rows
from voiceops.cli.settings import connect
from voiceops.client import VoiceOps
from voiceops.lookup import exactly_one

app = typer.Typer(help="What calls say and do.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="The folder with a folder for each agent.")]
AGENT_COLUMNS: Columns = {
    "id": lambda agent: agent.id,
    "name": lambda agent: agent.name,
    "version": lambda agent: agent.version,
    "published": lambda agent: agent.published_version,
    "updated": lambda agent: agent.updated_at,
}


@app.command("list")
def list_agents(limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List agents, the newest first."""
    with connect() as voiceops:
        rows = [agent for agent, _ in zip(voiceops.agents.list(), range(limit), strict=False)]
        print_rows(rows, AGENT_COLUMNS, as_json=as_json)


@app.command()
def pull(
    folder: Folder = Path("agents"),
    agent: Annotated[
        list[str] | None, typer.Option("--agent", help="Only this one; may be repeated.")
    ] = None,
) -> None:
    """Write the drafts of all agents, or of those named, into files."""
    with connect() as voiceops:
        found = (
            [voiceops.agents.find(name) for name in agent]
            if agent
            else list(voiceops.agents.list())
        )
        names = [each.name for each in found]
        for name in names:
            own = [each for each in found if each.name == name]
            exactly_one(own, f"agent named {name!r}", "agents")
        for each in found:
            typer.echo(f"{write_agent(folder, each)}: {each.name}")


@app.command()
def push(
    folder: Folder = Path("agents"),
    publish: Annotated[bool, typer.Option("--publish", help="Publish what has changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Create or change the agents that the files describe, found by name."""
    files = read_folder(folder)
    require(bool(files), f"There is no agent in {folder}. Write some with: voiceops agents pull")
    with connect() as voiceops:
        existing = list(voiceops.agents.list())
        for file in files:
            own = [agent for agent in existing if agent.name == file.name]
            what = f"agent named {file.name!r}"
            current = exactly_one(own, what, "agents") if own else None
            _push_one(voiceops, file, current, publish=publish, dry_run=dry_run)


def _push_one(
    voiceops: VoiceOps,
    file: AgentFile,
    current: models.Agent | None,
    *,
    publish: bool,
    dry_run: bool,
) -> None:
    changed = differences(file, current)
    if current is not None and not changed:
        is_published = current.published_version == current.version
        typer.echo(f"unchanged  {file.name}")
        if is_published or not publish or dry_run:
            return
    elif dry_run:
        verb = "create" if current is None else "change"
        typer.echo(f"would {verb}  {file.name}: {', '.join(changed)}")
        return
    elif current is None:
        current = voiceops.agents.create(**file.config)
        typer.echo(f"created  {file.name}")
    else:
        current = voiceops.agents.update(
            current.id, **{name: file.config[name] for name in changed}
        )
        typer.echo(f"changed  {file.name}: {', '.join(changed)}")
    if publish:
        published = voiceops.agents.publish(current.id)
        typer.echo(f"published  {file.name}: version {published.published_version}")
