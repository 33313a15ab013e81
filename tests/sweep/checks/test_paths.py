"""Every path that a trial reads is checked on each node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from radsweep.config.experiment import Experiment
from radsweep.sweep.checks.paths import places_of


def test_everything_that_a_trial_reads_is_checked_on_each_node(tmp_path: Path) -> None:
    models = [tmp_path / name for name in ("image", "text", "whole", "public")]
    for folder in models:
        folder.mkdir()
    image, text, whole, public = map(str, models)
    asked = experiment(
        Path("s3://bucket/cxr"),
        model={"image": {"backbone": image}},
        evaluate={"sets": ["s3://bucket/set"], "tasks": ["zero_shot"], "public_models": [public, "hub/model"]}
        | {"zero_shot": {"prompts": "/p.yaml"}},
        search={
            "space": {
                "model.text.backbone": {"choice": ["tiny-bert", "hub/model", text]},
                "augment.text.words": {"choice": ["english", "/w.yaml"]},
                "augment.text.swap": {"uniform": [0, 1]},
            }
        },
    )
    named = {path: key for path, (key, _) in places_of(asked, "/data").items()}
    assert named == {
        "/data/manifest.json": "data.shards",
        "s3://bucket/set/manifest.json": "evaluate.sets",
        "/p.yaml": "evaluate.zero_shot.prompts",
        "/w.yaml": "augment.text.words",
        public: "evaluate.public_models",
        image: "model.image.backbone",
        text: "model.text.backbone",
    }
    arms = {"whole": {"model.pretrained": whole}, "words": {"augment.text.words": "/w.yaml", "augment.text.swap": 0.1}}
    compared = experiment(tmp_path, ablation={"arms": arms})
    assert {path: key for path, (key, _) in places_of(compared).items()} == {
        whole: "model.pretrained",
        "/w.yaml": "augment.text.words",
    }
    unread = {"text": {"words": "/w.yaml"}}
    assert places_of(experiment(tmp_path, augment=unread, evaluate={"zero_shot": {"prompts": "/p.yaml"}})) == {}


def experiment(phantom: Path, **parts: Any) -> Experiment:
    return Experiment.model_validate({"experiment": "mine", "data": {"shards": str(phantom)}} | parts)
