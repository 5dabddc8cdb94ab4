"""The AsyncAPI document is served, written and held to what the code says."""

from pathlib import Path

import httpx
import msgspec
from click.testing import CliRunner

from notify.api.asyncapi import asyncapi_document
from notify.cli.documents import asyncapi


async def test_anybody_may_read_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/asyncapi.json", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == msgspec.json.decode(msgspec.json.encode(asyncapi_document()))


async def test_it_takes_no_parameters(client: httpx.AsyncClient) -> None:
    assert (await client.get("/asyncapi.json?pretty=1")).status_code == 422


def test_what_the_command_writes_passes_its_check_until_it_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "asyncapi.json"
    run = CliRunner().invoke

    missing = run(asyncapi, ["--check", "--file", str(path)])
    assert missing.exit_code == 1
    assert "run `notify asyncapi`" in missing.output

    assert run(asyncapi, ["--file", str(path)]).exit_code == 0
    assert run(asyncapi, ["--check", "--file", str(path)]).exit_code == 0

    path.write_text(path.read_text().replace("welcome", "hello"))
    assert run(asyncapi, ["--check", "--file", str(path)]).exit_code == 1
