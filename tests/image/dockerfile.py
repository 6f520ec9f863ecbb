"""Reads a Dockerfile as far as the tests need it: stages, and in each the instructions with their arguments."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import ROOT

PATH = ROOT / "Dockerfile"
_FOLDED = re.compile(r"\s*\\\n\s*")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, such as RUN, with what follows it on its line and on those that continue it."""

    word: str
    rest: str

    @property
    def exec_form(self) -> list[str] | None:
        """The words, or None where a shell would read them."""
        words: list[str] | None = json.loads(self.rest) if self.rest.startswith("[") else None
        return words

    @property
    def commands(self) -> list[str]:
        """The commands of a RUN, each by itself."""
        words = self.exec_form
        return [" ".join(words)] if words else [part.strip() for part in self.rest.split("&&")]


@dataclass(frozen=True, slots=True)
class Stage:
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        return [one for one in self.instructions if one.word == word]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """`arguments` are those before the first stage, with their defaults."""

    arguments: dict[str, str]
    stages: list[Stage]

    @property
    def instructions(self) -> list[Instruction]:
        return [one for stage in self.stages for one in stage.instructions]


def read_dockerfile(path: Path = PATH) -> Dockerfile:
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    read = Dockerfile({}, [])
    for line in filter(None, map(str.strip, _FOLDED.sub(" ", text).splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            read.stages.append(Stage(rest.split()[0]))
        elif read.stages:
            read.stages[-1].instructions.append(Instruction(word, rest))
        else:
            name, _, default = rest.partition("=")
            read.arguments[name] = default
    return read
