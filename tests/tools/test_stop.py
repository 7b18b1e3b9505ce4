"""How the server ends: an open stream gets its last message, and the process is gone within three seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.served import connected, herald, served


@pytest.mark.slow
async def test_a_follower_is_told_and_the_server_is_gone_within_three_seconds(
    sqlite_url: str, tmp_path: Path
) -> None:
    herald("tenant", "create", "acme", database_url=sqlite_url)
    key = herald("key", "create", "agent", "--tenant", "acme", "--scope", "agent", database_url=sqlite_url)
    with served(sqlite_url, tmp_path) as server:
        async with (
            connected(server.url, key) as client,
            client.listen(resource_subscriptions=["status://acme/summary"]) as changes,
        ):
            seconds = server.stop()

            assert [change async for change in changes] == []  # ended on purpose: a dropped stream would raise

    assert seconds < 3
