from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.cluster import capacity
from radsweep.cluster.capacity import Node
from radsweep.cluster.node_files import check_nodes, missing
from radsweep.config.experiment import Experiment
from radsweep.config.load import trial_with
from radsweep.config.run import Run
from radsweep.config.trial import Trial
from radsweep.data.loading.decode import read_index
from radsweep.errors import InputError
from radsweep.sweep.checks.memory import check_room, settled
from radsweep.sweep.checks.paths import places_of
from radsweep.sweep.preparation.memory import decoded_bytes


def trial(phantom: Path, **values: Any) -> Trial:
    return trial_with(Trial.model_validate({"data": {"shards": str(phantom)}}), values)


def test_images_that_the_object_store_cannot_hold_are_refused_with_both_numbers(phantom: Path) -> None:
    shards = read_index(phantom)
    large = trial(phantom, **{"model.image.size": 1024, "model.image.channels": 3})
    images = sum(index.images for index in shards.splits.values())
    needed = images * 3 * 1024**2
    check_room([large], shards, needed, "a.yaml")
    with pytest.raises(
        InputError, match=rf"a.yaml: data.source: .* {needed / 2**30:.1f} GiB .* set data.source to str"
    ):
        check_room([large], shards, needed - 1, "a.yaml")


def test_a_node_says_what_it_does_not_see(tmp_path: Path) -> None:
    (path, why), *rest = missing([str(tmp_path), str(tmp_path / "manifest.json")]).items()
    assert (path, rest) == (str(tmp_path / "manifest.json"), [])
    assert "that all nodes share" in why


def test_all_that_any_trial_reads_is_looked_for_on_each_node(tmp_path: Path) -> None:
    models = [tmp_path / name for name in ("image", "text", "whole", "public")]
    for folder in models:
        folder.mkdir()
    image, text, whole, public = map(str, models)
    asked = experiment(
        Path("s3://bucket/cxr"),
        model={"image": {"backbone": image}},
        evaluate={"sets": ["s3://bucket/set"], "tasks": ["zero_shot"], "against": [public, "hub/model"]}
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
        public: "evaluate.against",
        image: "model.image.backbone",
        text: "model.text.backbone",
    }
    arms = {"whole": {"model.from": whole}, "words": {"augment.text.words": "/w.yaml", "augment.text.swap": 0.1}}
    compared = experiment(tmp_path, ablation={"arms": arms})
    assert {path: key for path, (key, _) in places_of(compared).items()} == {
        whole: "model.from",
        "/w.yaml": "augment.text.words",
    }
    unread = {"text": {"words": "/w.yaml"}}
    assert places_of(experiment(tmp_path, augment=unread, evaluate={"zero_shot": {"prompts": "/p.yaml"}})) == {}


@pytest.mark.usefixtures("ray_session")
def test_a_single_node_is_looked_at_too(tmp_path: Path) -> None:
    check_nodes(tmp_path, {str(tmp_path): ("data.shards", "here")}, "a.yaml")
    with pytest.raises(InputError, match=r"a.yaml: model.from: there is no /nowhere"):
        check_nodes(tmp_path, {"/nowhere": ("model.from", "/nowhere")}, "a.yaml")


@pytest.fixture
def small_stores(monkeypatch: pytest.MonkeyPatch, phantom: Path) -> Callable[[float], None]:
    """`small_stores(part)`: one node of two has an object store for this part of what the phantom's images take."""
    needed = decoded_bytes([trial(phantom)], read_index(phantom))

    def set_to(part: float) -> None:
        monkeypatch.setattr(capacity, "nodes", lambda: [Node(4, 0, 100 * needed), Node(4, 0, part * needed)])

    return set_to


def experiment(phantom: Path, **parts: Any) -> Experiment:
    return Experiment.model_validate({"experiment": "mine", "data": {"shards": str(phantom)}} | parts)


def test_images_are_cached_where_each_node_has_room_for_all_of_them(
    small_stores: Callable[[float], None], phantom: Path
) -> None:
    shards, asked = read_index(phantom), experiment(phantom)
    small_stores(2)
    assert settled(asked, shards, "a.yaml").data.source == "cached"
    small_stores(1.9)
    assert settled(asked, shards, "a.yaml").data.source == "streamed"


@pytest.mark.parametrize(("began", "part"), [("streamed", 9), ("cached", 1)])
def test_a_resumed_sweep_gets_its_images_as_it_began(
    small_stores: Callable[[float], None], phantom: Path, began: str, part: float
) -> None:
    small_stores(part)
    assert settled(experiment(phantom), read_index(phantom), "a.yaml", began).data.source == began
    stated = experiment(phantom, data={"shards": str(phantom), "source": "cached"})
    assert settled(stated, read_index(phantom), "a.yaml", began).data.source == "cached"


def test_a_resumed_sweep_whose_images_fit_no_longer_is_told_what_to_do(
    small_stores: Callable[[float], None], phantom: Path
) -> None:
    small_stores(0.9)
    with pytest.raises(InputError, match=r"a.yaml: .* began with cached images; .* leave --resume out"):
        settled(experiment(phantom), read_index(phantom), "a.yaml", "cached")


def test_streamed_images_are_none_to_adapt_a_tower_on(small_stores: Callable[[float], None], phantom: Path) -> None:
    small_stores(0.9)
    adapted = experiment(phantom, adapt={"image": {"method": "simclr"}})
    with pytest.raises(InputError, match=r"a.yaml: adapt.image: .* set data.source to cached"):
        settled(adapted, read_index(phantom), "a.yaml")


def test_the_object_store_is_the_smallest_of_nodes_that_run_trials() -> None:
    nodes = [Node(2, 0, 1), Node(8, 1, 5), Node(8, 1, 3), Node(0, 0, 2)]
    assert capacity.object_store(nodes, Run()) == 3, "trials run on GPUs alone"
    assert capacity.object_store(nodes, Run(gpus_per_worker=0)) == 1
    assert capacity.object_store(nodes, Run(cpus_per_worker=3, gpus_per_worker=0)) == 3
    assert capacity.object_store([], Run()) == 0


def test_further_sets_and_every_tokenizer_take_their_room(phantom: Path) -> None:
    shards, base = read_index(phantom), trial(phantom)
    alone, of_test = decoded_bytes([base], shards), shards.splits["test"].images
    shape = base.model.image.size**2 * base.model.image.channels
    beside = trial(phantom, **{"evaluate.sets": [str(phantom)], "evaluate.tasks": ["retrieval", "zero_shot"]})
    assert decoded_bytes([beside], shards) == alone + of_test * shape
    probed = trial_with(beside, {"evaluate.tasks": ["retrieval", "linear_probe"]})
    assert decoded_bytes([probed], shards) == 2 * alone
    other = trial_with(base, {"model.text.vocabulary": 500})
    assert decoded_bytes([base, other], shards) == 2 * alone
    folds = [trial_with(one, {"data.folds": 3}) for one in (base, other)]
    assert decoded_bytes(folds, shards) == alone
