"""The page about the log tells the truth: its examples have the fields of real lines, and it names every line."""

import ast
import json
import re
from typing import Any

import pytest

from tests.builders import LIFE
from tests.e2e.stack import Stack, call_answer, new_path, new_sid
from tests.peers import Reply, eventually
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "logs.md").read_text()
EXAMPLES = [json.loads(written) for written in re.findall(r"```json\n(.*)\n```", PAGE)]
# What an error says, or a warning of the ledger about itself, is its own text.
_NOT_LITERAL = {"str(error)", "refused.reason", "warning", "_SAID[state.name]", "_NOT_RECORDED"}


def lines_of(stack: Stack) -> list[dict[str, Any]]:
    """Every line of JSON that the processes have written: uvicorn's first ones precede our own settings of the log."""
    texts = [(stack.folder / f"{name}.log").read_text() for name in ("api", "poll", "deliver")]
    return [json.loads(line) for text in texts for line in text.splitlines() if line.startswith("{")]


@pytest.mark.e2e
@pytest.mark.asyncio(loop_scope="session")
async def test_the_examples_have_the_fields_that_lines_have(shared: Stack) -> None:
    sid, path = new_sid(), new_path()
    shared.upstream.script(sid, Reply(500), then=call_answer(sid, LIFE))
    subscription = await shared.subscribe(sid, path)
    await shared.receiver.until_at(path, len(LIFE))

    def found(event: str) -> dict[str, Any] | None:
        ours = (line for line in lines_of(shared) if line["event"] == event)
        if event == "request":
            return next(
                (line for line in ours if line["route"] == "/v1/subscriptions" and line["method"] == "POST"), None
            )
        return next((line for line in ours if line.get("call_sid") == sid), None)

    async def all_there() -> bool:
        return all(found(one["event"]) for one in EXAMPLES)

    await eventually(all_there, "the lines are written")
    for example in EXAMPLES:
        line = found(example["event"])
        assert line is not None
        assert list(line) == list(example)
        assert {name: type(value) for name, value in line.items()} == {n: type(v) for n, v in example.items()}
    attempt = found("attempt")
    assert attempt is not None
    assert attempt["destination"] == shared.receiver_url
    assert (attempt["subscription_id"], attempt["attempt"]) == (subscription["id"], 1)
    assert path not in json.dumps(lines_of(shared))


def test_the_page_names_every_line() -> None:
    texts = set()
    for folder in ("app", "workers"):
        for source in (ROOT / folder).rglob("*.py"):
            if "dev" not in source.parts:
                texts |= {text for node in ast.walk(ast.parse(source.read_text())) for text in _logged(node)}
    assert len(texts) > 40
    assert {text for text in texts if f"`{text}`" not in PAGE and f'"event": "{text}"' not in PAGE} == set()


def _logged(node: ast.AST) -> list[str]:
    """Return what a call of a logger says, or what a table of such texts holds."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=args) if level != "isEnabledFor":
            said = args[1] if level == "log" else args[0]
            if isinstance(said, ast.Constant):
                return [str(said.value)]
            assert ast.unparse(said) in _NOT_LITERAL
        case ast.Assign(targets=[ast.Name(id="_NOT_RECORDED")], value=ast.Constant(value=text)):
            return [str(text)]
        case ast.Assign(targets=[ast.Name(id="_SAID")], value=ast.Dict(values=values)):
            return [str(one.value) for one in values if isinstance(one, ast.Constant)]
    return []
