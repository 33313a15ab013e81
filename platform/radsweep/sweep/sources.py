"""The data of a sweep: found or made, checked against what is asked, decoded and tokenised once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from radsweep.data.decode import ShardIndex, read_labelled
from radsweep.data.phantom import HELD_OUT, UNPAIRED, VERSION, from_name, write_phantom
from radsweep.data.prepared import Unpaired
from radsweep.data.schema import Manifest
from radsweep.data.shards import read_manifest
from radsweep.data.subsets import seeded_order, subset_size
from radsweep.data.tokenizer import load_tokenizer, train_tokenizer
from radsweep.errors import InputError
from radsweep.spec.stage import adaptations_of, stages_of
from radsweep.spec.trial import Trial
from radsweep.sweep.progress import Console
from radsweep.sweep.store import Store, write_atomically

PHANTOM = "phantom:"
UNPAIRED_OF: dict[Literal["image", "text"], Unpaired] = {"image": "images", "text": "reports"}
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


def unpaired_of(trials: Iterable[Trial]) -> tuple[Unpaired, ...]:
    """Unpaired studies that the trials' adaptation stages learn from."""
    stages = [stage for trial in trials for stage in adaptations_of(trial).values()]
    kinds = {stage.kind for stage in stages if stage.subset is None}
    return tuple(unpaired for kind, unpaired in UNPAIRED_OF.items() if kind in kinds)


def source_for(trials: Iterable[Trial], shards: ShardIndex, capacity: float) -> Literal["cached", "streamed"]:
    """Where trials of `data.source: auto` get their training images.

    Args:
        capacity: bytes of the cluster's object store.
    """
    trials = list(trials)
    images = sum(index.images for index in shards.splits.values())
    if "images" in unpaired_of(trials):
        images += shards.manifest.images["images"]["train"]
    shapes = {(trial.model.image.size, trial.model.image.channels) for trial in trials}
    needed = sum(images * channels * size**2 for size, channels in shapes)
    return "cached" if needed <= SHARE_OF_STORE * capacity else "streamed"


class Preparations:
    """Prepared data of a sweep, each made once, for the studies that its trials use."""

    def __init__(self, shards: ShardIndex, store: Store, console: Console) -> None:
        self.shards, self.store, self.console = shards, store, console
        self.made: dict[str, Prepared] = {}
        self.tokenizers: dict[tuple[str, str, int], str] = {}

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

        from radsweep.augment.masking import mask_id  # PyTorch and Ray take seconds; preflight needs neither
        from radsweep.data.stream import prepare_data

        alike: dict[str, list[Trial]] = {}
        for trial in trials:
            alike.setdefault(self.key(trial), []).append(trial)
        for key, some in alike.items():
            example, unpaired = some[0], unpaired_of(some)
            if any(map(_masks_tokens, some)):
                mask_id(load_tokenizer(self.tokenizer(example)).special)  # refuses a tokenizer without a mask
            whole = every_study or "images" in unpaired or any(map(_reads_all_images, some))
            wanted: dict[str, np.ndarray] = {}
            if not whole:
                wanted["train"] = np.array(sorted({row for trial in some for row in self._rows(trial)}))
            image, streamed = example.model.image, example.data.source == "streamed"
            total = sum(index.images for index in self.shards.splits.values())
            total += self.shards.manifest.images["images"]["train"] if "images" in unpaired else 0
            sets = [read_labelled(folder) for folder in example.evaluate.sets]  # the same for all trials
            total += sum(index.images for each in sets for index in each.splits.values())
            with self.console.task(f"Decoding images to {image.size} x {image.size}", total) as advance:
                tokenizer = self.tokenizer(example)
                data = prepare_data(
                    self.shards, tokenizer, image.size, image.channels, wanted, streamed, unpaired, advance
                )
                others = [
                    prepare_data(each, tokenizer, image.size, image.channels, unread(example, each)) for each in sets
                ]
                decoded = data.decoded + sum(other.decoded for other in others)
                advance(decoded)
            self.made[key] = Prepared(key, ray.put(dataclasses.replace(data, sets=tuple(others))), decoded)

    def key(self, trial: Trial) -> str:
        return preparation_key(trial, self.tokenizer(trial))

    def tokenizer(self, trial: Trial) -> str:
        """What `load_tokenizer` takes; read or made once for each text tower."""
        text = trial.model.text
        tower = (text.backbone, text.weights, text.vocabulary)
        if tower not in self.tokenizers:
            self.tokenizers[tower] = tokenizer_of(trial, self.shards, self.store)
        return self.tokenizers[tower]

    def _rows(self, trial: Trial) -> list[int]:
        index = self.shards.splits["train"]
        size = subset_size(len(index), trial.data.pairs, trial.data.fraction)
        return seeded_order(index.study_ids, index.patient_ids, trial.data.seed)[:size]


def _reads_all_images(trial: Trial) -> bool:
    return "image features" in stages_of(trial) or "linear_probe" in trial.evaluate.tasks


def unread(trial: Trial, shards: ShardIndex) -> dict[str, np.ndarray]:
    """`wanted` of `prepare_data` for evaluation alone: no studies of the splits that it does not read."""
    splits = () if "linear_probe" in trial.evaluate.tasks else ("train", "validation")
    return {split: np.empty(0, dtype=np.int64) for split in splits if split in shards.splits}


def _masks_tokens(trial: Trial) -> bool:
    ssl = trial.objective.text_ssl
    return (ssl.weight > 0 and ssl.kind == "mlm") or trial.adapt.text.method == "mlm"


def data_card(manifest: Manifest) -> dict[str, Any]:
    """The manifest without its list of shards."""
    return manifest.model_dump(mode="json", exclude={"shards"})
