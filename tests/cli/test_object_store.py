"""A data set in an object store, on a real S3 server of this machine, reads as the folder it was copied from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radsweep.data import storage
from radsweep.data.inspection.inspection import inspect_dataset
from radsweep.data.loading.decode import prepare_in_process, read_index
from radsweep.data.shards.dataset import damage, read_manifest, verify_shards
from radsweep.data.text.tokenizer import train_tokenizer
from radsweep.errors import InputError

boto3 = pytest.importorskip("boto3")


@pytest.fixture(scope="module")
def remote(phantom_in: Callable[[str], str]) -> str:
    return phantom_in("hospital")


def test_index_pictures_and_hashes_are_those_of_the_folder(remote: str, phantom: Path) -> None:
    here, there = read_index(phantom), read_index(remote)
    assert there.manifest == here.manifest
    assert there.reports == here.reports
    verify_shards(remote, there.manifest)
    tokenizer = train_tokenizer([(str(n), text) for n, text in enumerate(here.reports["train"])], 300)
    ours, theirs = (prepare_in_process(index, tokenizer, 32, 1) for index in (here, there))
    for name, split in ours.splits.items():
        assert split.index.study_ids == theirs.splits[name].index.study_ids
        images = np.arange(split.index.images)
        np.testing.assert_array_equal(split.pixels(images), theirs.splits[name].pixels(images))


def test_a_data_set_in_an_object_store_is_inspected(remote: str, phantom: Path, run: Callable[..., Any]) -> None:
    assert inspect_dataset(remote) == inspect_dataset(phantom)
    assert run("inspect", remote).code == 0


def test_a_shard_that_is_missing_or_cut_is_named(remote: str, object_store: str) -> None:
    client = boto3.client("s3", endpoint_url=object_store)
    shard = read_manifest(remote).shards[0]
    whole = client.get_object(Bucket="hospital", Key=f"cxr/{shard.path}")["Body"].read()
    manifest = client.get_object(Bucket="hospital", Key="cxr/manifest.json")["Body"].read()
    client.put_object(Bucket="hospital", Key="hurt/manifest.json", Body=manifest)
    with pytest.raises(InputError, match=f"shard {shard.path} is missing"):
        read_manifest("s3://hospital/hurt")
    client.put_object(Bucket="hospital", Key=f"hurt/{shard.path}", Body=whole[:-100])
    with pytest.raises(InputError, match=f"shard {shard.path} has {len(whole) - 100} bytes"):
        read_manifest("s3://hospital/hurt")
    assert damage(f"s3://hospital/hurt/{shard.path}") != ""
    assert damage(f"s3://hospital/cxr/{shard.path}") == ""


def test_a_missing_data_set_and_refused_access_are_reported(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no packed data set there"):
        read_index("s3://hospital/nowhere")
    with pytest.raises(InputError, match="give a folder, s3:// or gs://"):
        read_index("ftp://hospital/cxr")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    storage._root.cache_clear()
    with pytest.raises(InputError, match="check the credentials and endpoint in the environment"):
        read_index(remote)
    monkeypatch.undo()
    storage._root.cache_clear()
    assert len(read_index(remote).splits["train"]) == 80


def test_a_file_is_removed_and_those_beside_it_stay(remote: str) -> None:
    folder = "s3://hospital/report"
    for name in ("best.yaml", "winner/state.json"):
        storage.write(storage.inside(folder, name), b"{}")
    storage.remove(storage.inside(folder, "winner/state.json"))
    assert storage.listing(folder) == {"best.yaml": 2}
    with pytest.raises(InputError, match="cannot be deleted"):
        storage.remove("s3://elsewhere/best.yaml")


@pytest.mark.parametrize("address", ["s3://", "s3://hospital//cxr", "s3:///cxr"])
def test_an_address_without_a_bucket_or_with_an_empty_part_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="BUCKET/PATH"):
        storage.absolute_place(address)


@pytest.mark.parametrize("address", ["s3://me:qzsecret@hospital/cxr", "s3://hospital/cxr?secret_key=qzsecret"])
def test_credentials_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    for refuses in (storage.absolute_place, storage.size_of, storage.check_address):
        with pytest.raises(InputError, match="without credentials or options") as refused:
            refuses(address)
        assert "qzsecret" not in str(refused.value)
