"""The real model, loaded once for all tests of this folder."""

from pathlib import Path

import pytest

from embeddings.matcher import Matcher
from embeddings.profiles import default_cache_dir


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Where the weights are built once and kept between runs."""
    return default_cache_dir()


@pytest.fixture(scope="session")
def matcher(cache_dir: Path) -> Matcher:
    """The default profile."""
    return Matcher.load("multilingual", cache_dir)
