"""Pictures under two patient ids: one person is listed twice, who must not be in two splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

PLACEHOLDER_PATIENTS = 10  # a picture under more ids than this is a stand-in for a missing one


def placeholders(shown: Iterable[tuple[str, str]]) -> set[str]:
    """Return pictures that more than PLACEHOLDER_PATIENTS patients have. shown: (patient, hash of pixels)."""
    return {picture for picture, owners in _owners(shown).items() if len(owners) > PLACEHOLDER_PATIENTS}


def same_person(shown: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Map every patient to the first id of the person; two patients who share a picture are one person.

    shown: (patient, hash of pixels) in the source's order, without placeholders.
    """
    shown = list(shown)
    first = {patient: patient for patient, _ in shown}

    def find(patient: str) -> str:
        while first[patient] != patient:
            first[patient] = first[first[patient]]
            patient = first[patient]
        return patient

    rank = {patient: i for i, patient in enumerate(first)}
    for owners in _owners(shown).values():
        people = sorted({find(owner) for owner in owners}, key=rank.__getitem__)
        for other in people[1:]:
            first[other] = people[0]
    return {patient: find(patient) for patient in first}


def merged_ids(person_of: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return groups of two or more ids of one person, in the source's order."""
    groups: dict[str, list[str]] = defaultdict(list)
    for patient, person in person_of.items():
        groups[person].append(patient)
    return [tuple(ids) for ids in groups.values() if len(ids) > 1]


def _owners(shown: Iterable[tuple[str, str]]) -> dict[str, dict[str, None]]:
    owners: dict[str, dict[str, None]] = defaultdict(dict)
    for patient, picture in shown:
        owners[picture][patient] = None
    return owners
