"""Traits of a sweep's test studies, for its report: read from the data set that it ran on, if that is readable here."""

from __future__ import annotations

from collections.abc import Mapping

from radsweep.config import keys
from radsweep.data.shards.groups import StudyTraits, Traits, read_traits
from radsweep.data.shards.schema import SPLITS, Split
from radsweep.errors import InputError
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store
from radsweep.sweep.preparation.dataset import place_of


def traits_of(sweep: SweepRecord, store: Store) -> Traits:
    """The reader of a sweep's traits. It reads once, when a report first asks for it.

    Args:
        store: in which a phantom data set would be.
    """
    found: list[Mapping[str, StudyTraits] | str] = []

    def traits() -> Mapping[str, StudyTraits] | str:
        if not found:
            try:
                folder, fingerprint = data_of(sweep, store)
                found.append(read_traits(folder, fingerprint, queried_splits(sweep)))
            except InputError:  # its message has the path of the data set, which belongs in no report
                found.append("the data set of the sweep cannot be read at data.shards on this machine")
        return found[0]

    return traits


def data_of(sweep: SweepRecord, store: Store) -> tuple[str, str]:
    """Folder and fingerprint of the data set that a sweep ran on.

    Raises:
        InputError: the phantom is not known, or an address contains credentials.
    """
    return place_of(str(keys.get(sweep.experiment, "data.shards")), store), str(sweep.data.get("fingerprint", ""))


def queried_splits(sweep: SweepRecord) -> tuple[Split, ...]:
    """Splits, as packed, whose studies are test queries: with folds, all of them."""
    return SPLITS if keys.get(sweep.experiment, "data.folds") else ("test",)
