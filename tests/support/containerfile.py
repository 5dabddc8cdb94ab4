"""Reads a Containerfile and carries out the steps of a stage in an ordinary folder, without a container engine."""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from string import Template


@dataclass(frozen=True)
class Step:
    keyword: str
    text: str
    """What follows the keyword and its flags."""

    flags: dict[str, str]

    @property
    def pairs(self) -> dict[str, str]:
        """The assignments of ENV and ARG, variables not yet replaced."""
        return dict(word.split("=", 1) for word in shlex.split(self.text) if "=" in word)

    @property
    def arguments(self) -> list[str]:
        """The words of an exec form: `["notify", "serve"]`."""
        words: list[str] = json.loads(self.text)
        return words


@dataclass(frozen=True)
class Stage:
    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def all(self, keyword: str) -> list[Step]:
        return [step for step in self.steps if step.keyword == keyword]

    def last(self, keyword: str) -> Step:
        found = self.all(keyword)
        assert found, f"the stage {self.name or 'at the end'} has no {keyword}"
        return found[-1]

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for step in self.all("ENV") for name, value in step.pairs.items()}


def stages(text: str) -> list[Stage]:
    found: list[Stage] = []
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for instruction in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        keyword, rest = instruction.split(maxsplit=1)
        flags: dict[str, str] = {}
        while flag := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
            flags[flag[1]] = flag[2]
            rest = rest[flag.end() :]
        if keyword == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base, name.strip()))
        else:
            found[-1].steps.append(Step(keyword, rest, flags))
    return found


def carry_out(stage: Stage, *, root: Path, context: Path, environment: dict[str, str]) -> None:
    """Absolute paths become paths below `root`. An instruction unknown here is an error, never passed over."""
    variables = dict(environment)
    folder = root
    for step in stage.steps:
        match step.keyword:
            case "ARG" | "ENV":
                for name, value in step.pairs.items():
                    variables[name] = _below(root, Template(value).substitute(variables))
            case "WORKDIR":
                folder = Path(_below(root, step.text))
                folder.mkdir(parents=True, exist_ok=True)
            case "COPY" if not step.flags:
                *sources, target = shlex.split(step.text)
                for source in sources:
                    _copy(context / source, folder / _below(root, target), into=target.endswith("/"))
            case "RUN":
                command = ["/bin/sh", "-c", _below(root, step.text)]
                run = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
                assert run.returncode == 0, f"RUN {step.text}\n{run.stdout}{run.stderr}"
            case _:
                raise NotImplementedError(f"{step.keyword} {step.flags} {step.text}")


def _below(root: Path, text: str) -> str:
    return re.sub(r"""(^|[\s="'])/(?=\w)""", rf"\g<1>{root}/", text)


def _copy(source: Path, target: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target / source.name if into else target)
