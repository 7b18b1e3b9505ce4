"""Which tool is picked for a sentence, and with which arguments: by Claude if there is a key, always by form."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from server.models import Scope
from tools.registry import PUBLISHED
from tools.schemas import closed_tool
from tools.server import INSTRUCTIONS

CASES = [json.loads(line) for line in Path(__file__).with_name("tools.jsonl").read_text().splitlines()]
MODEL = os.environ.get("HERALD_EVAL_MODEL", "claude-haiku-4-5")
ENOUGH = 0.9
FREE_TEXT = {"message", "query", "title", "name"}
"""Arguments whose wording is the model's own."""


def test_there_are_at_least_forty_cases_and_one_for_every_tool() -> None:
    told = Counter(case["tool"] for case in CASES)

    assert len(CASES) >= 40
    assert set(told) == {tool.name for tool in PUBLISHED}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["prompt"][:50])
def test_a_case_expects_a_call_that_its_scope_may_make(case: dict[str, Any]) -> None:
    (published,) = [tool for tool in PUBLISHED if tool.name == case["tool"]]

    assert Scope(case["scope"]) in published.scopes
    jsonschema.validate(case["arguments"], closed_tool(published).parameters)


@pytest.mark.slow
@pytest.mark.xfail(not os.environ.get("ANTHROPIC_API_KEY"), reason="needs ANTHROPIC_API_KEY", run=False)
async def test_claude_picks_the_right_tool() -> None:
    from anthropic import AsyncAnthropic

    async with AsyncAnthropic() as claude:
        right = [await picked_right(claude, case) for case in CASES]

    missed = [case["prompt"] for case, is_right in zip(CASES, right, strict=True) if not is_right]
    assert sum(right) / len(right) >= ENOUGH, missed


async def picked_right(claude: Any, case: dict[str, Any]) -> bool:
    offered = [closed_tool(published) for published in PUBLISHED if Scope(case["scope"]) in published.scopes]
    message = await claude.messages.create(
        model=MODEL,
        max_tokens=1000,
        system=INSTRUCTIONS,
        tools=[
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in offered
        ],
        messages=[{"role": "user", "content": case["prompt"]}],
    )
    calls = [block for block in message.content if block.type == "tool_use"]
    return bool(calls) and calls[0].name == case["tool"] and agrees(calls[0].input, case["arguments"])


def agrees(given: dict[str, Any], expected: dict[str, Any]) -> bool:
    return all(name in given and (name in FREE_TEXT or given[name] == value) for name, value in expected.items())
