"""One Ray and one small phantom data set for the whole session. The settings stand before anything imports Ray."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import radsweep.sweep  # noqa: F401 - sets what Ray reads when it is imported

for _variable in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RADSWEEP_STORE", "MLFLOW_TRACKING_URI"):
    os.environ.pop(_variable, None)
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A temporary folder with a short path: Unix sockets allow 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def phantom(short_folder: Path) -> Path:
    """A packed phantom: 80 training, 40 validation and 40 test pairs of 32 pixels, nothing unpaired. Read only."""
    from radsweep.data.phantom import write_phantom

    folder = short_folder / "phantom"
    write_phantom(folder, pairs=80, size=32, validation=40, test=40, unpaired_images=0, unpaired_reports=0)
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated MLflow database, made once: a copy takes milliseconds, a migration seconds."""
    from radsweep.tracking.address import prepare

    store = tmp_path_factory.mktemp("template")
    prepare(f"sqlite:///{store / 'mlflow.db'}", store)
    return store / "mlflow.db"


@pytest.fixture(scope="session")
def public_model(short_folder: Path) -> Path:
    """A folder with a small CLIP of random weights and its tokenizer, as one would have a public model on disk."""
    import tokenizers
    import torch
    import transformers

    words = ["<unk>", "<start>", "</s>", "[PAD]", "there", "is", "no", "the", "a", "effusion", "nodule", "lung", "."]
    backend = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    )
    backend.normalizer = tokenizers.normalizers.Lowercase()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = {"unk_token": "<unk>", "bos_token": "<start>", "eos_token": "</s>", "pad_token": "[PAD]"}
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = transformers.CLIPConfig(
        text_config=small | {"vocab_size": len(words), "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 3},
        vision_config=small | {"image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    folder = short_folder / "small-clip"
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        transformers.CLIPModel(config).save_pretrained(folder)
    transformers.ViTImageProcessor(image_mean=[0.4] * 3, image_std=[0.2] * 3).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def ray_session(short_folder: Path) -> Iterator[None]:
    """A local Ray of 4 logical CPUs, shared by every test of the session."""
    import ray

    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=300 * 2**20,
        _temp_dir=str(short_folder / "ray"),
    )
    yield
    ray.shutdown()
