"""Row 10: towers of public models see the images that their own library would give them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import tokenizers
import torch
import transformers
from PIL import Image
from torchvision.models import get_model_weights
from torchvision.transforms import v2
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import radsweep as rs
from radsweep.augment.images import plain_images
from radsweep.config.model import ImageTower, Model
from radsweep.data.images.preprocessing import decode_as
from radsweep.errors import InputError
from radsweep.models.configs import BIOVIL_FILE, BIOVIL_T_FILE
from radsweep.models.image import build_image_tower
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.models.pretrained_vlm import fitting_settings
from radsweep.models.published import published_preprocessing

Save = Callable[[str], Path]
FIGURE1 = Path(__file__).resolve().parents[3] / "shared/data/figure1/images"
CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
PROCESSORS = {
    "clip": (transformers.CLIPImageProcessor, CLIPImageProcessorPil),
    "siglip": (transformers.SiglipImageProcessor, SiglipImageProcessorPil),
    "vit": (transformers.ViTImageProcessor, ViTImageProcessorPil),
    "deit": (transformers.DeiTImageProcessor, DeiTImageProcessorPil),
    "dinov2": (transformers.BitImageProcessor, BitImageProcessorPil),
}


def images() -> Iterator[Image.Image]:
    """Colour, grey, tall, wide, small and odd pictures, and the real ones if they are here."""
    for width, height, mode in (
        (301, 223, "RGB"),
        (223, 300, "L"),
        (500, 131, "RGB"),
        (37, 41, "RGB"),
        (227, 224, "L"),
    ):
        generator = np.random.default_rng(width)
        small = Image.fromarray(generator.integers(0, 256, (11, 13, 3), dtype=np.uint8))
        yield small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    for path in sorted(FIGURE1.iterdir())[::9] if FIGURE1.is_dir() else ():
        with Image.open(path) as picture:
            if picture.mode in ("L", "RGB"):
                picture.load()
                yield picture.copy()


def _tokenizer() -> Any:
    words = tokenizers.models.WordLevel({"<unk>": 0, "a": 1, "<s>": 2, "</s>": 3, "[PAD]": 4}, unk_token="<unk>")
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "[PAD]"}
    backend = tokenizers.Tokenizer(words)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0)
    return file.getvalue()


def with_processor(save: Save, kind: str, folder: Path, **values: Any) -> Path:
    for file in save(kind).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    PROCESSORS[kind][0](**values).save_pretrained(folder)
    return folder


def normalised(tower: Any, settings: ImageTower, image: Image.Image) -> torch.Tensor:
    """[3, S, S]: what the tower's first layer sees."""
    own = preprocessing_of(settings)
    assert own is not None
    pixels = torch.from_numpy(decode_as(encoded(image), own, settings.channels))[None]
    return tower.pixels(plain_images(pixels))[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", PROCESSORS)
def test_row_10_a_tower_sees_what_transformers_would_give_it(kind: str, save: Save, tmp_path: Path) -> None:
    folder = with_processor(save, kind, tmp_path)
    settings = ImageTower(backbone=str(folder), weights="pretrained", size=224, channels=3, preprocessing="own")
    tower = build_image_tower(settings)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    std = torch.tensor(processor.image_std).view(-1, 1, 1)
    for number, image in enumerate(images()):
        found = normalised(tower, settings, image)
        expected = processor(image.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        assert ((found - expected) * std).abs().max() < 0.01 / 255, number


@pytest.mark.parametrize("kind", PROCESSORS)
def test_row_10_so_does_pillow_where_the_processor_is_made_of_it(
    kind: str, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_processor(save, kind, tmp_path)
    processor = PROCESSORS[kind][1].from_pretrained(folder)
    monkeypatch.setattr(transformers.AutoImageProcessor, "from_pretrained", lambda *_, **__: processor)
    own = published_preprocessing(str(folder))
    assert own.resampler == "pillow"
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (processor.image_mean, processor.image_std))
    for image in images():
        expected = processor(image.convert("RGB"), return_tensors="pt")["pixel_values"][0] * std + mean
        assert (torch.from_numpy(decode_as(encoded(image), own, 3)) / 255 - expected).abs().max() < 0.01 / 255


def test_row_10_a_processor_that_rescales_otherwise_is_followed(save: Save, tmp_path: Path) -> None:
    """Values between 0 and 2 before the mean is taken off, as some processors have them."""
    values = {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}
    folder = with_processor(save, "vit", tmp_path, **values)
    settings = ImageTower(backbone=str(folder), weights="pretrained", size=224, channels=3, preprocessing="own")
    tower = build_image_tower(settings)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    for image in list(images())[:3]:
        expected = processor(image.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        assert (normalised(tower, settings, image) - expected).abs().max() < 2 / 255


@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_row_10_open_clip_is_read_from_its_configuration(resize: str, tmp_path: Path) -> None:
    vision = {"timm_model_name": "vit_base_patch16_224", "timm_pool": "", "image_size": 224}
    text = {"hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 256}
    pixels = {**CLIP, "interpolation": "bicubic", "resize_mode": resize}
    config = {"model_cfg": {"embed_dim": 512, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": pixels}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    own = published_preprocessing(str(tmp_path))
    assert (own.mean, own.std) == (CLIP["mean"], CLIP["std"])
    size = 224 if resize == "shortest" else (224, 224)
    step = v2.Resize(size, interpolation=v2.InterpolationMode.BICUBIC)
    transform = v2.Compose([step, v2.CenterCrop(224), v2.RGB(), v2.PILToTensor()])  # open_clip's `image_transform`
    for image in images():
        assert np.array_equal(decode_as(encoded(image), own, 3), transform(image).numpy())


@pytest.mark.parametrize(("file", "crop"), [(BIOVIL_FILE, 480), (BIOVIL_T_FILE, 448)])
def test_row_10_biovil_is_resized_to_512_and_cropped(file: str, crop: int, save: Save, tmp_path: Path) -> None:
    for each in save("cxr-bert").iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    (tmp_path / file).write_bytes(b"")
    own = published_preprocessing(str(tmp_path))
    assert (own.resize, own.size, own.crop, own.interpolation) == ("shortest", 512, crop, "bilinear")
    assert own.grey
    assert own.full_range
    image = fitting_settings(str(tmp_path)).image
    assert (image.size, image.channels, image.preprocessing) == (crop, 1, "own")


def test_row_10_embeddings_of_pictures_are_those_of_the_library(save: Save, tmp_path: Path) -> None:
    """From the file of a picture to the embedding, as `evaluate.public_models` and `load_model` have it."""
    size = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    folder = with_processor(save, "clip", tmp_path, **size)
    _tokenizer().save_pretrained(folder)
    model, library = rs.load_model(folder, device="cpu"), transformers.CLIPModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    for image in images():
        pixels = processor(image.convert("RGB"), return_tensors="pt")["pixel_values"]
        expected = torch.nn.functional.normalize(library.get_image_features(pixels).pooler_output, dim=-1)
        np.testing.assert_allclose(model.embed_images(image), expected.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_row_10_public_models_are_measured_with_their_own_preprocessing(kind: str, save: Save) -> None:
    image = fitting_settings(str(save(kind))).image
    assert (image.preprocessing, image.channels) == ("own", 3)


def test_towers_that_are_trained_keep_the_letterbox_unless_asked(save: Save) -> None:
    assert ImageTower().preprocessing == "letterbox"
    assert preprocessing_of(ImageTower()) is None
    assert preprocessing_of(Model(pretrained=str(save("clip"))).image) is None


@pytest.mark.parametrize("name", ["resnet50", "convnext_tiny", "vit_b_16"])
def test_row_10_torchvisions_weights_have_theirs(name: str) -> None:
    preset = get_model_weights(name).DEFAULT.transforms()
    settings = ImageTower(backbone=name, weights="imagenet", size=224, channels=3, preprocessing="own")
    own = preprocessing_of(settings)
    assert own is not None
    for image in list(images())[:5]:
        pixels = torch.from_numpy(decode_as(encoded(image), own, 3)) / 255
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (own.mean, own.std))
        expected = preset(image.convert("RGB"))
        assert (((pixels - mean) / std - expected) * std).abs().max() < 1 / 255


def test_own_of_a_tower_that_starts_at_random_is_refused() -> None:
    for backbone in ("tiny-cnn", "resnet18"):
        with pytest.raises(InputError, match=r"model\.image\.preprocessing: .* starts at random"):
            preprocessing_of(ImageTower(backbone=backbone, preprocessing="own"))


def test_a_processor_that_makes_no_square_is_refused(save: Save, tmp_path: Path) -> None:
    folder = with_processor(save, "vit", tmp_path, size={"height": 224, "width": 196})
    with pytest.raises(InputError, match=r"model\.image\.preprocessing: .* does not make squares"):
        preprocessing_of(ImageTower(backbone=str(folder), weights="pretrained", preprocessing="own"))


def test_a_changed_configuration_is_read_again(save: Save, tmp_path: Path) -> None:
    folder = with_processor(save, "clip", tmp_path)
    assert published_preprocessing(str(folder)).crop == 224
    transformers.CLIPImageProcessor(crop_size=192).save_pretrained(folder)
    assert published_preprocessing(str(folder)).crop == 192


@pytest.mark.parametrize("crop_mode", ["center", "squash"])
@pytest.mark.parametrize(("interpolation", "crop_pct"), [("bicubic", 0.875), ("bilinear", 1.0)])
def test_a_timm_tower_sees_what_timm_would_show_it(
    crop_mode: str, interpolation: str, crop_pct: float, tmp_path: Path
) -> None:
    model = timm.create_model("test_vit", num_classes=0)
    model.pretrained_cfg |= {"crop_mode": crop_mode, "interpolation": interpolation, "crop_pct": crop_pct}
    timm.models.save_for_hf(model, tmp_path, safe_serialization=True)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    settings = {
        "backbone": f"timm:{tmp_path}",
        "weights": "pretrained",
        "preprocessing": "own",
        "channels": 3,
        "size": 160,
    }
    tower = ImageTower.model_validate(settings)
    own, pixels = preprocessing_of(tower), build_image_tower(tower).pixels
    assert own is not None
    for image in images():
        expected = transform(image.convert("RGB"))
        found = pixels(torch.from_numpy(decode_as(encoded(image.convert("RGB")), own, 3))[None] / 255)[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
