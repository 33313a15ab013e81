"""Fingerprint of the code behind a trial's numbers: the definitions that it uses with its settings.

After a change of the code, only trials that depend on it run again. Comments, docstrings, layout and the modules that
definitions are in do not count.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from functools import cache
from pathlib import Path

import radsweep
from radsweep.cluster.versions import LIBRARIES, TIMM_MODELS, versions
from radsweep.config.data import Data
from radsweep.config.model import ImageTower, TextTower
from radsweep.config.objective import Objective
from radsweep.config.paths import is_timm
from radsweep.config.stages import FrozenImage, FrozenText, ImageStage, Stage, stages_of
from radsweep.config.terms import Need
from radsweep.config.trial import Trial
from radsweep.sweep.identity.definitions import Graph

PACKAGE = Path(radsweep.__file__).parent
PREPARATION = ("prepare_data", "read_index", "read_labelled", "train_tokenizer")
SURROUNDINGS = (*PREPARATION, "RunContext")  # passed to a trial or a stage
TRIAL = ("train", *SURROUNDINGS)
ADAPTATION = ("adapt", "load_adapted", *SURROUNDINGS)
FEATURES = ("run_frozen", "load_frozen", *SURROUNDINGS)
FOLDS = ("fold_of", "resplit")
ERRORS = ("InputError",)  # messages are for people
STREAMED = ("training_blocks", "streamed_batches")
WORDS = ("augment_words", "load_words")
OWN_PIXELS = ("decode_as", "preprocessing_of")
MOMENTUM = ("moco", "momentum_head", "MomentumHead")
MASKED = ("mask_tokens", "masked_language_head")
# definitions that only stages of a method run
RECIPES = {
    "simclr": ("SiameseRecipe",),
    "simsiam": ("SiameseRecipe",),
    "moco": ("MomentumRecipe", *MOMENTUM),
    "mae": ("MaskedPatchRecipe",),
    "mlm": ("TextRecipe",),
}
# Stages share classes with trials, but run no line of these.
ONLY_TRIALS = ("Embedder", "ReportSimilarity", "label_similarity", *STREAMED, *WORDS)
Entries = tuple[tuple[str, tuple[str, ...]], ...]  # hashable
NO_ENTRIES: Entries = (("TERMS", ()), ("LOSSES", ()), ("OUTPUTS", ()))


def switched(trial: Trial) -> dict[str, bool]:
    """Return {definition: True if the trial uses it}. Others count for every trial that reaches them.

    For definitions that a table holds, see `entries`.
    """
    objective, text, tasks = trial.objective, trial.augment.text, set(trial.evaluate.tasks)
    return {
        "rank_locally": objective.scores_locally and trial.evaluate.ranks_locally,
        "part_that_selects": trial.data.limits_validation,
        "ReportSimilarity": objective.compares_words,
        "soft_infonce": objective.contrast.softened_by is not None,
        "label_similarity": objective.contrast.softened_by == "labels",
        "augment_words": text.changes_words,
        "load_words": trial.reads_words,
        **dict.fromkeys(MASKED, Need.MASKED_TOKENS in objective.needs),
        **dict.fromkeys(MOMENTUM, objective.image_ssl.weight > 0 and objective.image_ssl.kind == "moco"),
        "Average": trial.train.ema > 0,
        "timm_tower": is_timm(trial.model.image.backbone),
        **dict.fromkeys(STREAMED, trial.data.source == "streamed"),
        **dict.fromkeys(OWN_PIXELS, trial.model.image.preprocessing == "own"),
        "zero_shot": "zero_shot" in tasks,
        "load_prompts": "zero_shot" in tasks,
        "linear_probe": "linear_probe" in tasks,
        "class_retrieval": "class_retrieval" in tasks,
        "draw_class_pool": "class_retrieval" in tasks,
    }


def entries(objective: Objective) -> Entries:
    """Return (table, the keys whose values a trial with this objective uses). `TERMS` holds every new term."""
    return (
        ("TERMS", tuple(objective.terms)),
        ("LOSSES", () if objective.contrast.softened_by else (objective.contrast.kind,)),
        ("OUTPUTS", tuple(need.name for need in Need if need in objective.needs)),
    )


def trial_code(trial: Trial) -> str:
    """Fingerprint of the code that a trial and the stages before it run."""
    further = (*_libraries(trial.model.image), *trial.objective.libraries)
    roots = (*TRIAL, *_folds(trial.data.folds))
    own = fingerprint(roots, off(trial), further, entries(trial.objective))
    return "-".join([own, *(stage_code(stage) for stage in stages_of(trial).values())])


def stage_code(stage: Stage) -> str:
    """Fingerprint of the code that a stage and the stage before it run."""
    further = _libraries(stage.tower)
    without: tuple[str, ...] = ONLY_TRIALS if further else (*ONLY_TRIALS, "timm_tower")
    roots = _folds(stage.fold)
    if isinstance(stage, FrozenImage | ImageStage) and stage.tower.preprocessing == "own":
        roots += OWN_PIXELS  # of the images that are prepared for it
    else:
        without += OWN_PIXELS
    if isinstance(stage, FrozenImage | FrozenText):
        own = fingerprint((*FEATURES, *roots), without, further)
        return own if stage.adapted is None else f"{own}-{stage_code(stage.adapted)}"
    used = RECIPES[stage.adapt.method]
    others = [name for names in RECIPES.values() if names != used for name in names]
    return fingerprint((*ADAPTATION, *roots), (*without, *others), further)


def code_fingerprint() -> str:
    """Fingerprint of the code that every trial runs. Records that differ in it should not be compared."""
    return fingerprint(TRIAL, tuple(switched(Trial(data=Data(shards="any")))), (), NO_ENTRIES)


def off(trial: Trial) -> tuple[str, ...]:
    """Return the definitions that the trial does not use."""
    return tuple(name for name, used in switched(trial).items() if not used)


def _libraries(tower: ImageTower | TextTower) -> tuple[str, ...]:
    """Libraries that only some towers are built with."""
    return (TIMM_MODELS,) if is_timm(tower.backbone) else ()


def _folds(folds: object) -> tuple[str, ...]:
    return FOLDS if folds is not None else ()


@cache
def fingerprint(
    roots: tuple[str, ...], without: tuple[str, ...], further: tuple[str, ...] = (), tables: Entries = ()
) -> str:
    """Hash the definitions that are reached from `roots`, and the versions of libraries.

    Args:
        roots: names of definitions.
        without: definitions that are left out, with what is only used through them.
        further: libraries that not every trial uses.
        tables: keys that count, of the dicts that hold a definition for each key.
    """
    libraries = {name: versions()[name] for name in (*LIBRARIES, *further)}
    parts = [libraries, tables, graph().fingerprint(roots, (*without, *ERRORS), dict(tables))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@cache
def graph() -> Graph:
    return Graph(PACKAGE)


def git_commit() -> str:
    """Commit of the checkout that the package runs from, with `+changes` if it was modified; empty outside of one."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if git("ls-files", "__init__.py") == "":
            return ""
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
