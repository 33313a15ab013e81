"""Settings that the devices of a cluster do not support are refused before anything trains."""

from __future__ import annotations

import pytest

from radsweep.config.experiment import Experiment
from radsweep.errors import InputError
from radsweep.sweep.checks.resources import check_precision


def experiment(**parts: object) -> Experiment:
    return Experiment.model_validate({"experiment": "mine", "data": {"shards": "somewhere"}} | parts)


def test_fp16_is_refused_where_no_arm_has_a_gpu() -> None:
    asked = experiment(train={"precision": "fp16"})
    with pytest.raises(InputError, match=r"^train\.precision: fp16 is for GPUs"):
        check_precision(asked, {"cpu"})
    check_precision(asked, {"cuda"})
    check_precision(asked, {"cpu", "cuda"})
    check_precision(experiment(train={"precision": "bf16"}), {"cpu"})
    of_an_arm = experiment(ablation={"arms": {"baseline": {}, "half": {"train.precision": "fp16"}}})
    with pytest.raises(InputError, match="fp16 is for GPUs"):
        check_precision(of_an_arm, {"cpu"})
