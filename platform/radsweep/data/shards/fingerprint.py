"""Fingerprint of a data set, independent of the order of its studies and the sizes of its shards."""

from __future__ import annotations

import hashlib

from radsweep.data.shards.schema import SCHEMA_VERSION, Study


def study_digest(study: Study) -> int:
    """Return the SHA-256 of all of a study's content as it is stored, as an integer."""
    digest = hashlib.sha256()

    def add(data: bytes) -> None:
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)

    for text in (study.patient_id, study.study_id, study.split):
        add(text.encode())
    add(b"" if study.report is None else b"report" + study.report.encode())
    for image in study.images:
        add(image.image_id.encode())
        add(image.view.encode())
        add(image.data)
    for name in sorted(study.labels):
        value = study.labels[name]
        add(f"{name}={None if value is None else float(value)}".encode())
    return int.from_bytes(digest.digest(), "big")


class Fingerprint:
    """Sum of the studies' digests modulo 2^256: addition ignores the order, and repeats do not cancel."""

    def __init__(self) -> None:
        self._sum = 0
        self._studies = 0

    def add(self, study: Study) -> None:
        self._sum = (self._sum + study_digest(study)) % 2**256
        self._studies += 1

    def hexdigest(self) -> str:
        text = f"radsweep {SCHEMA_VERSION} {self._studies} {self._sum:064x}"
        return hashlib.sha256(text.encode()).hexdigest()
