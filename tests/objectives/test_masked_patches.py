"""Masked autoencoding beside transformers' ViTMAE, which was converted from the authors' code."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

from radsweep.augment.masking import kept_patches
from radsweep.augment.random import sample_keys
from radsweep.models.normalise import Pixels
from radsweep.models.transformers_image import TransformersImage
from radsweep.objectives.masked_patches import MaskedPatchHead, patch_targets, sine_positions

B, SIZE, PATCH, PATCHES, WIDTH, DECODER, LAYERS = 3, 32, 8, 16, 48, 64, 2
CONFIG = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}


def images(channels: int = 1) -> Tensor:
    return torch.rand(B, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def head(channels: int = 1) -> MaskedPatchHead:
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(1)
        return MaskedPatchHead(WIDTH, PATCHES, PATCH, channels, DECODER, LAYERS).double()


def kept(part: float = 0.75) -> Tensor:
    return kept_patches(sample_keys(0, torch.arange(B), 0), PATCHES, part)


def published() -> transformers.ViTMAEForPreTraining:
    """Of grey images; what starts at zero is drawn too."""
    config = transformers.ViTMAEConfig(
        **CONFIG,
        image_size=SIZE,
        patch_size=PATCH,
        num_channels=1,
        decoder_hidden_size=DECODER,
        decoder_num_hidden_layers=LAYERS,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=4 * DECODER,
        norm_pix_loss=True,
        layer_norm_eps=1e-6,
    )
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(2)
        model = transformers.ViTMAEForPreTraining(config).double().eval()
        for name, parameter in model.named_parameters():
            if "pos_embed" not in name and "position_embeddings" not in name:
                parameter.data += 0.05 * torch.randn_like(parameter)
        model.decoder.initialize_weights(PATCHES)  # the constructor leaves its positions at zero
        model.vit.embeddings.initialize_weights()
    return model


def as_ours(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published decoder's weights under the names of `MaskedPatchHead`."""
    found = {"hidden_D": theirs["decoder.mask_token"].flatten()}
    pairs = {"embed": "decoder_embed", "norm": "decoder_norm", "predict": "decoder_pred"}
    for layer in range(LAYERS):
        ours, of_them = f"layers.{layer}", f"decoder_layers.{layer}"
        pairs |= {
            f"{ours}.norm1": f"{of_them}.layernorm_before",
            f"{ours}.norm2": f"{of_them}.layernorm_after",
            f"{ours}.self_attn.out_proj": f"{of_them}.attention.o_proj",
            f"{ours}.linear1": f"{of_them}.mlp.fc1",
            f"{ours}.linear2": f"{of_them}.mlp.fc2",
        }
        for kind in ("weight", "bias"):
            parts = [theirs[f"decoder.{of_them}.attention.{part}_proj.{kind}"] for part in "qkv"]
            found[f"{ours}.self_attn.in_proj_{kind}"] = torch.cat(parts)
    for ours, of_them in pairs.items():
        for kind in ("weight", "bias"):
            found[f"{ours}.{kind}"] = theirs[f"decoder.{of_them}.{kind}"]
    return found


def test_the_loss_is_that_of_the_published_model_with_the_same_weights() -> None:
    reference = published()
    plain = transformers.ViTModel(
        transformers.ViTConfig(**CONFIG, image_size=SIZE, patch_size=PATCH, num_channels=1, layer_norm_eps=1e-6),
        add_pooling_layer=False,
    ).double()
    plain.load_state_dict(reference.vit.state_dict())
    tower = TransformersImage(plain, Pixels(1, 1, (0.0,), (1.0,)), False, SIZE).double().eval()
    ours = head().eval()
    ours.load_state_dict(as_ours(reference.state_dict()))
    order_BR = torch.ones(B, PATCHES).scatter(1, kept(), 0.0)  # they show those of the smallest noise
    expected = reference(pixel_values=images(), noise=order_BR).loss
    loss_B = ours(tower.encode_visible(images(), kept()), kept(), images())
    torch.testing.assert_close(loss_B.mean(), expected, rtol=1e-6, atol=1e-6)
    positions = reference.decoder.decoder_pos_embed[0, 1:]
    torch.testing.assert_close(sine_positions(PATCHES, DECODER).double(), positions, rtol=1e-6, atol=1e-6)


def test_targets_are_the_pixels_of_each_patch_normalised_by_themselves() -> None:
    found = patch_targets(images(3), PATCH)
    for row in range(SIZE // PATCH):
        for column in range(SIZE // PATCH):
            rows, columns = (slice(n * PATCH, (n + 1) * PATCH) for n in (row, column))
            patch = images(3)[1, :, rows, columns].flatten()
            expected = (patch - patch.mean()) / (patch.var() + 1e-6).sqrt()
            torch.testing.assert_close(found[1, row * (SIZE // PATCH) + column], expected)
    assert patch_targets(torch.full((1, 1, SIZE, SIZE), 0.3), PATCH).abs().max() < 1e-3  # black borders are no number
    assert patch_targets(torch.rand(1, 1, SIZE + 3, SIZE + 3), PATCH).shape == (1, PATCHES, PATCH**2)


@pytest.mark.parametrize("others", [0, 1, 5])
def test_shown_patches_are_not_part_of_the_loss_and_tokens_of_no_patch_have_no_place(others: int) -> None:
    tokens_BNP = torch.rand(B, others + kept().shape[1], WIDTH, dtype=torch.float64)
    module, plain = head(), images()
    changed = plain.clone().requires_grad_()
    module(tokens_BNP, kept(), changed).sum().backward()
    moved_BR = functional.unfold(changed.grad.abs(), PATCH, stride=PATCH).sum(dim=1)
    hidden_BR = torch.ones(B, PATCHES).scatter(1, kept(), 0.0).bool()
    assert ((moved_BR > 0) == hidden_BR).all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    module = head()
    tokens = torch.rand(B, 1 + kept().shape[1], WIDTH, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: module(given, kept(), images()), tokens, fast_mode=True)
    names = ["hidden_D", "embed.weight", "predict.bias", "layers.0.self_attn.in_proj_weight"]
    for name in names:
        value = module.get_parameter(name)

        def of(parameter: Tensor, name: str = name) -> Tensor:
            return torch.func.functional_call(module, {name: parameter}, (tokens.detach(), kept(), images()))

        assert torch.autograd.gradcheck(of, value.detach().clone().requires_grad_(), fast_mode=True), name


def test_each_choice_of_patches_is_as_likely_and_only_depends_on_the_image() -> None:
    keys_B = sample_keys(3, torch.arange(4000), 1)
    kept_BV = kept_patches(keys_B, PATCHES, 0.75)
    assert kept_BV.shape == (4000, 4)
    assert (kept_BV.diff(dim=1) > 0).all()
    counts_R = torch.bincount(kept_BV.flatten(), minlength=PATCHES)
    assert (counts_R - 1000).abs().max() < 5 * (4000 * 0.25 * 0.75) ** 0.5
    assert torch.equal(kept_patches(keys_B[7:8], PATCHES, 0.75), kept_BV[7:8])
    assert kept_patches(keys_B, PATCHES, 0.99).shape[1] == 1
    assert kept_patches(keys_B, PATCHES, 0.01).shape[1] == PATCHES - 1


def test_the_decoder_as_published() -> None:
    with torch.device("meta"):
        module = MaskedPatchHead(1024, 196, 16, 3, 512, 8)
    assert sum(isinstance(part, nn.TransformerEncoderLayer) for part in module.modules()) == 8
    assert {part.num_heads for part in module.modules() if isinstance(part, nn.MultiheadAttention)} == {16}
    assert module.predict.weight.shape == (768, 512)
    assert module.layers[0].linear1.weight.shape == (2048, 512)
