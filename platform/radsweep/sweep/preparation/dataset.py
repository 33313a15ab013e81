"""Find or create the data set of a sweep, and check its hashes and sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from radsweep.config.stages import Fold, fold_of_trial
from radsweep.config.trial import Trial
from radsweep.console import Console
from radsweep.data import storage
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.subsets import subset_size
from radsweep.data.phantom import HELD_OUT, UNPAIRED, VERSION, from_name, write_phantom
from radsweep.data.shards.dataset import read_manifest, verify_shards
from radsweep.data.shards.schema import Manifest
from radsweep.errors import InputError, explaining
from radsweep.store.store import Store

PHANTOM = "phantom:"
HASHED = 2**30  # bytes of a data set that are checked against its hashes before a sweep


def dataset_folder(shards: str, store: Store, console: Console) -> str:
    """Return the folder of the shards; `phantom:NAME` is created in the store if it does not exist.

    Raises:
        InputError: the phantom is not known.
    """
    folder = place_of(shards, store)
    if shards.startswith(PHANTOM) and not Path(folder).exists():
        settings = from_name(shards.removeprefix(PHANTOM))
        total = settings.pairs + HELD_OUT + UNPAIRED
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
        with console.counting(f"Making the phantom data set {shards}, in studies", total) as progress:
            write_phantom(Path(folder), difficulty=settings.difficulty, pairs=settings.pairs, progress=progress)
    return folder


def check_shards(shards: ShardIndex) -> None:
    """Hash a data set's shards if that takes only seconds; of larger ones only the sizes were checked.

    Raises:
        InputError: the error names the damaged shard.
    """
    if sum(shard.bytes for shard in shards.manifest.shards) <= HASHED:
        verify_shards(shards.folder, shards.manifest)


def place_of(shards: str, store: Store) -> str:
    """Return the folder of the shards, which may not exist yet.

    Raises:
        InputError: the phantom is not known, or an address contains credentials.
    """
    if not shards.startswith(PHANTOM):
        return storage.absolute_place(shards)
    settings = from_name(shards.removeprefix(PHANTOM))
    return str(store.root / "data" / f"phantom-{settings.difficulty}-{settings.pairs}-v{VERSION}")


def training_pairs(shards: str, folds: int | None = None) -> int:
    """Number of training studies, from the manifest or a phantom's name, without creating anything.

    With folds: the mean over folds, which is not less than the size of the smallest training split.

    Raises:
        InputError: the data set does not exist, or the phantom is not known.
    """
    if shards.startswith(PHANTOM):
        pairs = from_name(shards.removeprefix(PHANTOM)).pairs
        whole = pairs + HELD_OUT
    else:
        by_split = read_manifest(storage.absolute_place(shards)).studies["pairs"]
        pairs, whole = by_split["train"], sum(by_split.values())
    return pairs if folds is None else whole * (folds - 2) // folds


def check_sizes(trials: Iterable[Trial], count: Callable[[Trial], int] | None = None) -> None:
    """Refuse more pairs than there are, or more workers than pairs, before anything starts.

    Args:
        count: returns the number of training studies; by default `training_pairs`.

    Raises:
        InputError: the error names the key.
    """
    count = count or (lambda trial: training_pairs(trial.data.shards, trial.data.folds))
    available: dict[tuple[str, Fold | None], int] = {}
    for trial in trials:
        place = trial.data.shards, fold_of_trial(trial)
        if place not in available:
            with explaining(key="data.shards"):
                available[place] = count(trial)
        try:
            size = subset_size(available[place], trial.data.pairs, trial.data.fraction)
        except ValueError as error:
            folds = f" to train on in {trial.data.folds} folds" if trial.data.folds else ""
            raise InputError(f"{error}{folds}", key="data.pairs") from None
        if size < trial.train.workers:
            raise InputError(
                f"{trial.train.workers} workers and {size} pairs to train on, and each needs one; set it to {size} or "
                "less",
                key="train.workers",
            )


def manifest_summary(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest without its list of shards."""
    return manifest.model_dump(mode="json", exclude={"shards"})
