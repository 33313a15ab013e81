"""The data of a sweep: found or made, checked against what is asked, decoded and tokenised once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from radsweep.console import Console
from radsweep.data import storage
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.loading.folds import fold_of, redealt
from radsweep.data.loading.prepared import PreparedData, Unpaired
from radsweep.data.loading.subsets import seeded_order, subset_size
from radsweep.data.phantom import HELD_OUT, UNPAIRED, VERSION, from_name, write_phantom
from radsweep.data.shards.dataset import read_manifest, verify_shards
from radsweep.data.shards.schema import Manifest
from radsweep.data.text.tokenizer import load_tokenizer, train_tokenizer
from radsweep.errors import InputError
from radsweep.filesystem import write_atomically
from radsweep.spec.stage import Fold, adaptations_of, fold_of_trial, stages_of
from radsweep.spec.trial import TextTower, Trial
from radsweep.store.store import Store
from radsweep.sweep.tasks import images_of_sets, read_sets

PHANTOM = "phantom:"
UNPAIRED_OF: dict[Literal["image", "text"], Unpaired] = {"image": "images", "text": "reports"}
HASHED = 2**30  # bytes of a data set that are checked against its hashes before a sweep
SHARE_OF_STORE = 0.5  # that decoded images may take


@dataclass(frozen=True)
class Prepared:
    """A reference to prepared data in the object store. Trials name it by `key`."""

    key: str
    reference: Any


def dataset_folder(shards: str, store: Store, console: Console) -> str:
    """Where the shards lie; `phantom:NAME` is made in the store where it is not there yet.

    Raises:
        InputError: an unknown phantom.
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
    """Hash a data set's shards where that takes seconds; of larger ones the manifest's sizes were checked.

    Raises:
        InputError: names the damaged shard.
    """
    if sum(shard.bytes for shard in shards.manifest.shards) <= HASHED:
        verify_shards(shards.folder, shards.manifest)


def place_of(shards: str, store: Store) -> str:
    """Where the shards lie, or would lie once they are made.

    Raises:
        InputError: an unknown phantom, or credentials in an address.
    """
    if not shards.startswith(PHANTOM):
        return storage.absolute(shards)
    settings = from_name(shards.removeprefix(PHANTOM))
    return str(store.root / "data" / f"phantom-{settings.difficulty}-{settings.pairs}-v{VERSION}")


def training_pairs(shards: str, folds: int | None = None) -> int:
    """Number of training studies, from the manifest or a phantom's name: cheap, and nothing is made.

    With folds: the mean over folds, which is not less than what the smallest training split has.

    Raises:
        InputError: no data set there, or an unknown phantom.
    """
    if shards.startswith(PHANTOM):
        pairs = from_name(shards.removeprefix(PHANTOM)).pairs
        whole = pairs + HELD_OUT
    else:
        by_split = read_manifest(storage.absolute(shards)).studies["pairs"]
        pairs, whole = by_split["train"], sum(by_split.values())
    return pairs if folds is None else whole * (folds - 2) // folds


def check_sizes(trials: Iterable[Trial], where: str, count: Callable[[Trial], int] | None = None) -> None:
    """Refuse more pairs than there are, before anything starts.

    Args:
        count: gives the number of training studies; else it is that of `training_pairs`.

    Raises:
        InputError: names the file and the key.
    """
    count = count or (lambda trial: training_pairs(trial.data.shards, trial.data.folds))
    available: dict[tuple[str, Fold | None], int] = {}
    for trial in trials:
        place = trial.data.shards, fold_of_trial(trial)
        try:
            if place not in available:
                available[place] = count(trial)
            subset_size(available[place], trial.data.pairs, trial.data.fraction)
        except InputError as error:
            raise InputError(f"{where}: data.shards: {error}") from None
        except ValueError as error:
            folds = f" to train on in {trial.data.folds} folds" if trial.data.folds else ""
            raise InputError(f"{where}: data.pairs: {error}{folds}") from None


def has_tokenizer(text: TextTower) -> bool:
    """Whether the backbone comes with a tokenizer of its own; else one is trained on the reports."""
    return not (text.backbone.startswith("tiny-") or text.weights == "scratch")


def tokenizer_of(trial: Trial, shards: ShardIndex, store: Store) -> str:
    """What `load_tokenizer` takes: the backbone's own, or one trained once on all reports of the training split.

    Args:
        shards: those of the trial's fold, where it has one.
    """
    text = trial.model.text
    if has_tokenizer(text):
        return text.backbone
    file = store.tokenizer_file(shards.manifest.fingerprint, text.vocabulary, _fold_name(trial))
    if not file.exists():
        patients = shards.splits["train"].patient_ids
        rows = zip(patients, shards.reports["train"], strict=True)
        write_atomically(file, train_tokenizer(rows, text.vocabulary))
    return file.read_text(encoding="utf-8")


def preparation_key(trial: Trial, tokenizer: str) -> str:
    """Trials with equal keys share decoded images, splits and tokens."""
    image = trial.model.image
    tokens = hashlib.sha256(tokenizer.encode()).hexdigest()[:12]
    return f"{image.size}-{image.channels}-{tokens}{_fold_name(trial)}"


def _fold_name(trial: Trial) -> str:
    fold = fold_of_trial(trial)
    return "" if fold is None else f"-fold-{fold.fold}-of-{fold.folds}"


def unpaired_of(trials: Iterable[Trial]) -> tuple[Unpaired, ...]:
    """Unpaired studies that the trials' adaptation stages learn from."""
    stages = [stage for trial in trials for stage in adaptations_of(trial).values()]
    kinds = {stage.kind for stage in stages if stage.subset is None}
    return tuple(unpaired for kind, unpaired in UNPAIRED_OF.items() if kind in kinds)


def source_for(trials: Iterable[Trial], shards: ShardIndex, capacity: float) -> Literal["cached", "streamed"]:
    """Where trials of `data.source: auto` get their training images.

    Args:
        capacity: bytes of the object store of each node.
    """
    trials = list(trials)
    if any(trial.data.folds for trial in trials):
        return "cached"
    return "cached" if decoded_bytes(trials, shards) <= SHARE_OF_STORE * capacity else "streamed"


def decoded_bytes(trials: Sequence[Trial], shards: ShardIndex) -> int:
    """What all images of the splits take once decoded, those that adaptation learns from and those of further sets.

    Once for every size asked, and every tokenizer: what is prepared for one is not shared with another.
    """
    images = sum(index.images for index in shards.splits.values()) + images_of_sets(trials[0].evaluate)
    if "images" in unpaired_of(trials):
        images += shards.manifest.images["images"]["train"]
    made = {(t.model.image.size, t.model.image.channels, _tokens_apart(t)) for t in trials}
    return sum(images * channels * size**2 for size, channels, _ in made)


def _tokens_apart(trial: Trial) -> str:
    """What tells the trial's tokenizer from others; nothing with folds, which share decoded images."""
    text = trial.model.text
    if trial.data.folds:
        return ""
    return text.backbone if has_tokenizer(text) else str(text.vocabulary)


class Preparations:
    """Prepared data of a sweep, each made once, for the studies that its trials use."""

    def __init__(self, shards: ShardIndex, store: Store, console: Console) -> None:
        self.shards, self.store, self.console = shards, store, console
        self.made: dict[str, Prepared] = {}
        self.decoded = 0  # images
        self.folds: dict[Fold, ShardIndex] = {}
        self.tokenizers: dict[tuple[str, str, int, Fold | None], str] = {}

    @property
    def references(self) -> dict[str, list[Any]]:
        """{key: [reference]}: in a list, so that Ray hands on the reference and not the data."""
        return {key: [prepared.reference] for key, prepared in self.made.items()}

    def make(self, trials: Iterable[Trial], every_study: bool = False) -> None:
        """Everything that these trials need. `every_study`: their subsets are not known beforehand."""
        import ray

        from radsweep.augment.masking import mask_id  # PyTorch and Ray take seconds; preflight needs neither

        alike: dict[str, list[Trial]] = {}
        for trial in trials:
            alike.setdefault(self.key(trial), []).append(trial)
        unpaired = unpaired_of(trial for some in alike.values() for trial in some)
        whole: dict[tuple[int, int], PreparedData] = {}  # what folds are dealt from, by size and channels
        for key, some in alike.items():
            example = some[0]
            if any(map(_masks_tokens, some)):
                mask_id(load_tokenizer(self.tokenizer(example)).special)  # refuses a tokenizer without a mask
            if example.data.folds is None:
                data = self._decoded(example, unpaired_of(some), self._wanted(some, every_study))
            else:
                shape = example.model.image.size, example.model.image.channels
                if shape not in whole:
                    whole[shape] = self._decoded(example, unpaired, {})
                data = redealt(whole[shape], self.shards_of(example), self.tokenizer(example))
            self.made[key] = Prepared(key, ray.put(data))

    def key(self, trial: Trial) -> str:
        return preparation_key(trial, self.tokenizer(trial))

    def shards_of(self, trial: Trial) -> ShardIndex:
        """The studies of the trial's splits."""
        fold = fold_of_trial(trial)
        if fold is None:
            return self.shards
        if fold not in self.folds:
            self.folds[fold] = fold_of(self.shards, fold.folds, fold.fold)
        return self.folds[fold]

    def tokenizer(self, trial: Trial) -> str:
        """What `load_tokenizer` takes; read or made once for each text tower and fold."""
        text = trial.model.text
        tower = (text.backbone, text.weights, text.vocabulary, fold_of_trial(trial))
        if tower not in self.tokenizers:
            self.tokenizers[tower] = tokenizer_of(trial, self.shards_of(trial), self.store)
        return self.tokenizers[tower]

    def _decoded(self, example: Trial, unpaired: tuple[Unpaired, ...], wanted: dict[str, np.ndarray]) -> PreparedData:
        from radsweep.data.loading.stream import prepare_data

        image, tokenizer = example.model.image, self.tokenizer(example)
        streamed = example.data.source == "streamed"
        total = sum(index.images for index in self.shards.splits.values())
        total += self.shards.manifest.images["images"]["train"] if "images" in unpaired else 0
        with self.console.task(f"Decoding images to {image.size} x {image.size}", total) as advance:
            data = prepare_data(self.shards, tokenizer, image.size, image.channels, wanted, streamed, unpaired, advance)
            sets = prepared_sets(example, tokenizer)  # the same for all trials
            decoded = data.decoded + sum(each.decoded for each in sets)
            advance(decoded)
        self.decoded += decoded
        return dataclasses.replace(data, sets=sets)

    def _wanted(self, some: list[Trial], every_study: bool) -> dict[str, np.ndarray]:
        """Rows of the training split that trials use; none named where they may use any."""
        if every_study or "images" in unpaired_of(some) or any(map(_reads_all_images, some)):
            return {}
        return {"train": np.array(sorted({row for trial in some for row in self._rows(trial)}))}

    def _rows(self, trial: Trial) -> list[int]:
        index = self.shards.splits["train"]
        size = subset_size(len(index), trial.data.pairs, trial.data.fraction)
        return seeded_order(index.study_ids, index.patient_ids, trial.data.seed)[:size]


def _reads_all_images(trial: Trial) -> bool:
    return "image features" in stages_of(trial) or "linear_probe" in trial.evaluate.tasks


def prepared_sets(trial: Trial, tokenizer: str) -> tuple[PreparedData, ...]:
    """The data sets of `evaluate.sets`, as far as its tasks read them."""
    from radsweep.data.loading.stream import prepare_data

    image = trial.model.image
    sets = read_sets(trial.evaluate)
    return tuple(prepare_data(each, tokenizer, image.size, image.channels, {}) for each in sets)


def unread(trial: Trial) -> dict[str, np.ndarray]:
    """`wanted` of `prepare_data` for evaluation alone: no studies of the splits that it does not read."""
    splits = () if "linear_probe" in trial.evaluate.tasks else ("train", "validation")
    return {split: np.empty(0, dtype=np.int64) for split in splits}


def _masks_tokens(trial: Trial) -> bool:
    ssl = trial.objective.text_ssl
    return (ssl.weight > 0 and ssl.kind == "mlm") or trial.adapt.text.method == "mlm"


def data_card(manifest: Manifest) -> dict[str, Any]:
    """The manifest without its list of shards."""
    return manifest.model_dump(mode="json", exclude={"shards"})
