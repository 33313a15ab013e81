"""Trials with adaptation stages, and the pools that these learn from."""

from __future__ import annotations

import dataclasses

from radsweep.config.stages import Stage, stages_of
from radsweep.data.loading.prepared import PreparedData, PreparedSplit
from support.synthetic import synthetic_data, synthetic_trial

SMALL = {
    "adapt.image.method": "simclr",
    "adapt.image.steps": 12,
    "adapt.image.batch_size": 16,
    "adapt.image.hidden": 32,
    "adapt.image.dim": 16,
    "adapt.text.method": "mlm",
    "adapt.text.steps": 12,
    "adapt.text.batch_size": 16,
    "adapt.text.learning_rate": 3e-3,
}


def with_pool(seed: int = 1, size: int = 16) -> PreparedData:
    """Synthetic pairs, and the same number of unpaired images and reports of other patients."""
    data, other = synthetic_data(size=size), synthetic_data(seed=seed, size=size).splits["train"]

    def renamed(prefix: str) -> PreparedSplit:
        index = dataclasses.replace(
            other.index,
            study_ids=tuple(f"{prefix}-{study}" for study in other.index.study_ids),
            patient_ids=tuple(f"{prefix}-{patient}" for patient in other.index.patient_ids),
            sample_key_S=other.index.sample_key_S + len(prefix),
        )
        return dataclasses.replace(other, index=index)

    return dataclasses.replace(data, unpaired={"images": renamed("images"), "reports": renamed("reports")})


def stages(**values: object) -> dict[str, Stage]:
    return stages_of(synthetic_trial(**(SMALL | values)))  # type: ignore[return-value]


LIT = {
    "model.image.freeze": True,
    "augment.image.crop": [1.0, 1.0],
    "augment.image.affine": 0.0,
    "augment.image.brightness": 0.0,
    "augment.image.contrast": 0.0,
    "augment.image.noise": 0.0,
}
