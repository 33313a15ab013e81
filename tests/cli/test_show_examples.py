"""`radsweep report --show-examples`: the only output with reports and images, written only if asked for."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radsweep.data.loading.decode import read_index
from radsweep.report.analysis.changed_queries import MOST_QUERIES, examples
from radsweep.report.analysis.results import join
from radsweep.report.render.gallery import PRIVATE
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store
from support.ranked_sweep import ranked_sweep
from support.searched import marked

ARMS: dict[str, dict[str, Any]] = {"baseline": {}, "local": {"objective.local.weight": 1.0}}
LABEL = "nodule"
Run = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def sweep(store: Store, phantom: Path) -> SweepRecord:
    return ranked_sweep(store, phantom, ARMS, LABEL)


def reports(phantom: Path) -> dict[str, str]:
    index = read_index(phantom)
    return dict(zip(index.splits["test"].study_ids, index.reports["test"], strict=True))


def test_the_page_shows_the_queries_gained_and_lost_with_report_image_and_ranks(
    run: Run, sweep: SweepRecord, store: Store, phantom: Path, tmp_path: Path
) -> None:
    ended = run("report", "ranked", "--show-examples", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    gallery = tmp_path / "out" / "gallery.html"
    assert f"Gallery: {gallery} (reports and images of patients, for this machine only;" in ended.out
    assert stat.S_IMODE(gallery.stat().st_mode) == 0o600
    page = gallery.read_text()
    assert PRIVATE in page
    (changed,) = examples(join(sweep, store.read_records(sweep), store.read_queries)).arms
    assert changed.gained
    assert max(len(changed.gained), len(changed.lost)) <= MOST_QUERIES
    for query in (*changed.gained, *changed.lost):
        assert reports(phantom)[query.study_id].split("\n")[0] in page
        assert query.study_id in page
        assert ", ".join(map(str, query.after)) in page
    images = re.findall(r'src="(data:image/jpeg;base64,[^"]+)"', page)
    assert len(images) >= len(changed.gained) + len(changed.lost)
    assert not re.search(r'(src|href)="(?!data:)', page), "it loads nothing"


def test_gained_and_lost_follow_the_majority_of_replicates(sweep: SweepRecord, store: Store) -> None:
    found = examples(join(sweep, store.read_records(sweep), store.read_queries))
    (changed,) = found.arms
    assert (found.within, found.size, found.direction) == (10, 40, "text_to_image")
    for query in changed.gained:
        assert sum(rank <= 10 for rank in query.after) >= 2
        assert sum(rank <= 10 for rank in query.before) <= 1
    for query in changed.lost:
        assert sum(rank <= 10 for rank in query.after) <= 1
        assert sum(rank <= 10 for rank in query.before) >= 2


def test_no_other_output_has_a_text_and_only_the_option_writes_a_gallery(
    run: Run, sweep: SweepRecord, store: Store, phantom: Path, tmp_path: Path
) -> None:
    assert run("report", "ranked", "--out", tmp_path / "plain").code == 0
    assert not list(tmp_path.rglob("gallery.html"))
    ended = run("report", "ranked", "--show-examples", "--out", tmp_path / "out", "--json")
    assert ended.code == 0, ended.err
    json.loads(ended.out)
    assert "Gallery: " in ended.err
    texts = [text.split(".")[0] for text in reports(phantom).values()]
    assert marked(tmp_path / "out", *texts) == ["gallery.html"]
    assert marked(tmp_path / "plain", *texts) == []
    assert marked(store.root, *texts) == []
    assert not [text for text in texts if text in ended.out + ended.err]


def test_without_out_the_page_is_in_the_working_directory_and_not_in_the_store(
    run: Run, sweep: SweepRecord, store: Store, tmp_path: Path
) -> None:
    assert run("report", "ranked", "--show-examples").code == 0
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("gallery.html")] == [
        Path("gallery-ranked-1/gallery.html")
    ]


def test_a_folder_of_the_store_is_refused_before_anything_is_written(
    run: Run, sweep: SweepRecord, store: Store
) -> None:
    ended = run("report", "ranked", "--show-examples", "--out", store.report_folder(sweep))
    assert ended.code == 2
    assert "is in the store, from which reports are sent" in ended.err
    assert not store.report_folder(sweep).exists()


def test_another_or_missing_data_set_is_refused_and_the_report_says_why_it_has_no_groups(
    run: Run, sweep: SweepRecord, store: Store, tmp_path: Path
) -> None:
    store.write_sweep(sweep.model_copy(update={"data": {**sweep.data, "fingerprint": "e" * 64}}))
    ended = run("report", "ranked", "--show-examples", "--out", tmp_path / "out")
    assert ended.code == 2
    assert "another data set than the one that the sweep ran on" in ended.err
    assert not (tmp_path / "out" / "gallery.html").exists()
    text = (tmp_path / "out" / "report.md").read_text()
    assert "are left out: the data set of the sweep cannot be read at data.shards on this machine." in text


def test_a_search_has_no_gallery(run: Run, sweep: SweepRecord, store: Store) -> None:
    store.write_sweep(sweep.model_copy(update={"kind": "search"}))
    ended = run("report", "ranked", "--show-examples")
    assert ended.code == 2
    assert "compares no arms" in ended.err


def test_a_report_reads_the_groups_of_its_test_studies_from_the_shards(
    run: Run, sweep: SweepRecord, tmp_path: Path
) -> None:
    assert run("report", "ranked", "--out", tmp_path / "out").code == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())["report"]["subgroups"]
    assert found["why"] in ("", "no two groups of queries have 20 patients each")
    assert found["left_out"]
