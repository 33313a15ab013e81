"""The data of a sweep: found or made, checked against what is asked, decoded and tokenised once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from radsweep.data.decode import ShardIndex
from radsweep.data.phantom import HELD_OUT, UNPAIRED, VERSION, from_name, write_phantom
from radsweep.data.schema import Manifest, Split
from radsweep.data.shards import read_manifest
from radsweep.data.subsets import seeded_order, subset_size
from radsweep.data.tokenizer import train_tokenizer
from radsweep.errors import InputError
from radsweep.spec.trial import Trial
from radsweep.sweep.progress import Console
from radsweep.sweep.store import Store, write_atomically

PHANTOM = "phantom:"
SHARE_OF_STORE = 0.5  # that decoded images may take


@dataclass(frozen=True)
class Prepared:
    """A reference to prepared data in the object store, and what making it took. Trials name it by `key`."""

    key: str
    reference: Any
    decoded: int


def dataset_folder(shards: str, store: Store, console: Console) -> Path:
    """Where the shards lie; `phantom:NAME` is made in the store where it is not there yet.

    Raises:
        InputError: an unknown phantom.
    """
    if not shards.startswith(PHANTOM):
        return Path(shards).expanduser().resolve()
    settings = from_name(shards.removeprefix(PHANTOM))
    folder = store.root / "data" / f"phantom-{settings.difficulty}-{settings.pairs}-v{VERSION}"
    if not folder.exists():
        total = settings.pairs + HELD_OUT + UNPAIRED
        folder.parent.mkdir(parents=True, exist_ok=True)
        with console.counting(f"Making the phantom data set {shards}, in studies", total) as progress:
            write_phantom(folder, difficulty=settings.difficulty, pairs=settings.pairs, progress=progress)
    return folder


def training_pairs(shards: str) -> int:
    """Number of training studies, from the manifest or a phantom's name: cheap, and nothing is made.

    Raises:
        InputError: no data set there, or an unknown phantom.
    """
    if shards.startswith(PHANTOM):
        return from_name(shards.removeprefix(PHANTOM)).pairs
    return read_manifest(Path(shards).expanduser()).studies["pairs"]["train"]


def check_sizes(trials: Iterable[Trial], where: str) -> None:
    """Refuse more pairs than there are, before anything starts.

    Raises:
        InputError: names the file and the key.
    """
    available: dict[str, int] = {}
    for trial in trials:
        try:
            if trial.data.shards not in available:
                available[trial.data.shards] = training_pairs(trial.data.shards)
            subset_size(available[trial.data.shards], trial.data.pairs, trial.data.fraction)
        except InputError as error:
            raise InputError(f"{where}: data.shards: {error}") from None
        except ValueError as error:
            raise InputError(f"{where}: data.pairs: {error}") from None


def tokenizer_of(trial: Trial, shards: ShardIndex, store: Store) -> str:
    """What `load_tokenizer` takes: the backbone's own, or one trained once on all reports of the training split."""
    text = trial.model.text
    if not (text.backbone.startswith("tiny-") or text.weights == "scratch"):
        return text.backbone
    file = store.tokenizer_file(shards.manifest.fingerprint, text.vocabulary)
    if not file.exists():
        patients = shards.splits["train"].patient_ids
        rows = zip(patients, shards.reports["train"], strict=True)
        write_atomically(file, train_tokenizer(rows, text.vocabulary))
    return file.read_text(encoding="utf-8")


def preparation_key(trial: Trial, tokenizer: str) -> str:
    """Trials with equal keys share decoded images and tokens."""
    image = trial.model.image
    return f"{image.size}-{image.channels}-{hashlib.sha256(tokenizer.encode()).hexdigest()[:12]}"


def source_for(trials: Iterable[Trial], shards: ShardIndex, capacity: float) -> Literal["cached", "streamed"]:
    """Where trials of `data.source: auto` get their training images.

    Args:
        capacity: bytes of the cluster's object store.
    """
    images = sum(index.images for index in shards.splits.values())
    shapes = {(trial.model.image.size, trial.model.image.channels) for trial in trials}
    needed = sum(images * channels * size**2 for size, channels in shapes)
    return "cached" if needed <= SHARE_OF_STORE * capacity else "streamed"


class Preparations:
    """Prepared data of a sweep, each made once, for the studies that its trials use."""

    def __init__(self, shards: ShardIndex, store: Store, console: Console) -> None:
        self.shards, self.store, self.console = shards, store, console
        self.made: dict[str, Prepared] = {}

    @property
    def references(self) -> dict[str, list[Any]]:
        """{key: [reference]}: in a list, so that Ray hands on the reference and not the data."""
        return {key: [prepared.reference] for key, prepared in self.made.items()}

    @property
    def decoded(self) -> int:
        return sum(prepared.decoded for prepared in self.made.values())

    def make(self, trials: Iterable[Trial], every_study: bool = False) -> None:
        """Everything that these trials need. `every_study`: their subsets are not known beforehand."""
        import ray

        from radsweep.data.stream import prepare_data  # Ray takes seconds to import, and preflight needs none of it

        rows: dict[str, set[int]] = {}
        examples: dict[str, tuple[Trial, str]] = {}
        for trial in trials:
            tokenizer = tokenizer_of(trial, self.shards, self.store)
            key = preparation_key(trial, tokenizer)
            examples.setdefault(key, (trial, tokenizer))
            rows.setdefault(key, set()).update(() if every_study else self._rows(trial))
        for key, (trial, tokenizer) in examples.items():
            wanted: dict[Split, np.ndarray] = {} if every_study else {"train": np.array(sorted(rows[key]))}
            image = trial.model.image
            total = sum(index.images for index in self.shards.splits.values())
            with self.console.task(f"Decoding images to {image.size} x {image.size}", total) as advance:
                streamed = trial.data.source == "streamed"
                data = prepare_data(self.shards, tokenizer, image.size, image.channels, wanted, streamed, advance)
            self.made[key] = Prepared(key, ray.put(data), data.decoded)

    def key(self, trial: Trial) -> str:
        return preparation_key(trial, tokenizer_of(trial, self.shards, self.store))

    def _rows(self, trial: Trial) -> list[int]:
        index = self.shards.splits["train"]
        size = subset_size(len(index), trial.data.pairs, trial.data.fraction)
        return seeded_order(index.study_ids, index.patient_ids, trial.data.seed)[:size]


def data_card(manifest: Manifest) -> dict[str, Any]:
    """The manifest without its list of shards."""
    return manifest.model_dump(mode="json", exclude={"shards"})
