"""Every term against an independent plain implementation in float64, and its gradient against finite differences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from radsweep.config.objective import Contrast, ImageImage, ImageSsl, Local, Neighbours, Objective, TextSsl, TextText
from radsweep.config.terms import Need, TermSettings
from radsweep.objectives.contrast import contrast
from radsweep.objectives.local import CHUNK_ELEMENTS, local, local_scores, sum_pieces
from radsweep.objectives.neighbours import NeighbourBank
from radsweep.objectives.total import TERMS, Term, build_heads, total_loss
from radsweep.objectives.views import Rows, Views, Widths, Words

B, D, R, L = 5, 7, 4, 6
WIDTHS = Widths(image=6, text=5, tokens=5, token_embeddings=5, vocabulary=12, dim=D, studies=9)
ALL = Objective(
    local=Local(weight=1),
    image_ssl=ImageSsl(weight=1, hidden=8, dim=8),
    text_ssl=TextSsl(weight=1),
    neighbours=Neighbours(weight=1),
)


def unit(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def random_views(images: int = 2, texts: int = 2, regions: int = R) -> Views:
    generator = torch.Generator().manual_seed(9)
    words = torch.tensor(
        [[-1, 0, 0, 1, 2, -1], [-1, 0, 1, 2, 3, -1], [-1, 0, 0, 0, 0, -1], [-1, 0, 1, -1, -1, -1], [-1, 0, 1, 1, 2, -1]]
    )
    return Views(
        image_BD=tuple(unit(B, D, seed=view) for view in range(images)),
        text_BD=tuple(unit(B, D, seed=10 + view) for view in range(texts)),
        scale=torch.tensor(3.0, dtype=torch.float64),
        bias=torch.tensor(-2.0, dtype=torch.float64),
        own_regions_bRD=tuple(
            torch.randn(B, regions, D, dtype=torch.float64, generator=generator) for _ in range(images)
        ),
        words=tuple(Words(torch.randn(B, L, D, dtype=torch.float64, generator=generator), words) for _ in range(texts)),
    )


def log_softmax(row: np.ndarray) -> np.ndarray:
    return row - row.max() - math.log(np.exp(row - row.max()).sum())


def plain_infonce(image: np.ndarray, text: np.ndarray, scale: float) -> float:
    logits = scale * image @ text.T
    rows = [-log_softmax(logits[i])[i] for i in range(len(logits))]
    columns = [-log_softmax(logits[:, i])[i] for i in range(len(logits))]
    return float(np.mean(rows + columns))


def plain_sigmoid(image: np.ndarray, text: np.ndarray, scale: float, bias: float) -> float:
    total = 0.0
    for i, f in enumerate(image):
        for j, g in enumerate(text):
            z = (1 if i == j else -1) * (scale * float(f @ g) + bias)
            total += math.log1p(math.exp(-z))
    return total / len(image)


def plain_local_score(regions: np.ndarray, words: list[np.ndarray], attention: float, context: float) -> float:
    """GLoRIA, one image and one text, loop by loop."""
    a = np.array([[v @ t for t in words] for v in regions])  # regions x words
    a = np.exp([log_softmax(row) for row in a])  # over words
    alpha = np.exp([log_softmax(attention * column) for column in a.T])  # per word, over regions
    cosines = []
    for word, weights in zip(words, alpha, strict=True):
        c = sum(w * v for w, v in zip(weights, regions, strict=True))
        cosines.append(word @ c / (np.linalg.norm(word) * np.linalg.norm(c)))
    return math.log(sum(math.exp(context * cosine) for cosine in cosines))


def plain_words(tokens: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
    return [tokens[numbers == word].sum(axis=0) for word in range(numbers.max() + 1)]


def test_infonce_is_clips_loss_averaged_over_pairs_of_views() -> None:
    views = random_views()
    expected = [plain_infonce(f.numpy(), g.numpy(), 3.0) for f in views.image_BD for g in views.text_BD]
    assert float(contrast(views, Contrast()).loss) == pytest.approx(np.mean(expected), abs=1e-9)


def test_sigmoid_is_siglips_loss_averaged_over_pairs_of_views() -> None:
    views = random_views()
    expected = [plain_sigmoid(f.numpy(), g.numpy(), 3.0, -2.0) for f in views.image_BD for g in views.text_BD]
    assert float(contrast(views, Contrast(kind="sigmoid")).loss) == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("regions", [R, 12], ids=["fewer regions than dimensions", "more regions than dimensions"])
@pytest.mark.parametrize("temperatures", [(4.0, 5.0, 10.0), (1.5, 2.0, 3.0)])
def test_local_is_glorias_loss(regions: int, temperatures: tuple[float, float, float]) -> None:
    views = random_views(1, 1, regions)
    attention, context, logits = temperatures
    tokens, numbers = (field.numpy() for field in views.words[0])
    texts = [plain_words(tokens[j], numbers[j]) for j in range(B)]
    images = views.own_regions_bRD[0].numpy()
    scores = np.array([[plain_local_score(v, t, attention, context) for t in texts] for v in images]) * logits
    rows = np.mean([-log_softmax(scores[i])[i] for i in range(B)])
    columns = np.mean([-log_softmax(scores[:, i])[i] for i in range(B)])
    settings = Local(weight=1, attention=attention, context=context, logits=logits)
    assert float(local(views, settings).loss) == pytest.approx((rows + columns) / 2, abs=1e-9)


def test_the_local_term_weighs_what_glorias_ratio_gives() -> None:
    """GLoRIA's loss is the sum of both directions of its global loss and of its local loss, with equal weights."""
    views = random_views(1, 1)
    objective = Objective(contrast=Contrast(weight=1), local=Local(weight=1))
    total, _ = total_loss(views, objective)
    tokens, numbers = (field.numpy() for field in views.words[0])
    texts = [plain_words(tokens[j], numbers[j]) for j in range(B)]
    scores = np.array([[plain_local_score(v, t, 4.0, 5.0) for t in texts] for v in views.own_regions_bRD[0].numpy()])
    cosines = views.image_BD[0].numpy() @ views.text_BD[0].numpy().T
    gloria = [
        np.mean([-log_softmax(row)[i] for i, row in enumerate(matrix)])
        for logits in (3.0 * cosines, 10.0 * scores)
        for matrix in (logits, logits.T)
    ]
    assert float(total) == pytest.approx(sum(gloria) / 2, abs=1e-9)


@pytest.mark.parametrize("autocast", [torch.bfloat16, torch.float16])
def test_losses_are_in_fp32_under_autocast(autocast: torch.dtype) -> None:
    """Row 13: the local score's noise in bf16 is as large as its spread."""
    generator = torch.Generator().manual_seed(3)

    def single(views: Views) -> Views:
        return replace(
            views,
            image_BD=tuple(view.float().requires_grad_() for view in views.image_BD),
            text_BD=tuple(view.float().requires_grad_() for view in views.text_BD),
            scale=views.scale.float(),
            own_regions_bRD=tuple(regions.float().requires_grad_() for regions in views.own_regions_bRD),
            words=tuple(Words(tokens.float().requires_grad_(), word_BL) for tokens, word_BL in views.words),
            outputs={
                "image_ssl": tuple(torch.randn(B, 8, generator=generator.manual_seed(n)) for n in range(2)),
                "text_ssl": tuple(torch.randn(B, 8, generator=generator.manual_seed(n)) for n in range(2)),
            },
            rows=Rows(torch.arange(B), torch.arange(B) // 2, torch.arange(B), torch.arange(B)[:, None]),
            heads={"neighbours": full_bank().float()},
        )

    two_views = {"image_image": ImageImage(weight=1), "text_text": TextText(weight=1)}
    objective = ALL.model_copy(update={"text_ssl": TextSsl(weight=1, kind="simcse")} | two_views)
    plain, cast = single(random_views()), single(random_views())
    expected, _ = total_loss(plain, objective)
    with torch.autocast("cpu", autocast):
        found, logged = total_loss(cast, objective)
    assert found.dtype == torch.float32
    assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)
    assert set(logged) >= {f"loss/{name}" for name in TERMS}
    expected.backward()
    found.backward()
    pairs = zip((*plain.own_regions_bRD, plain.words[0].tokens_BLD), (*cast.own_regions_bRD, cast.words[0].tokens_BLD),
                strict=True)  # fmt: skip
    for one, other in pairs:
        torch.testing.assert_close(other.grad, one.grad, rtol=0, atol=1e-6)


def test_local_scores_in_chunks_have_their_gradient_in_fp32_too(monkeypatch: pytest.MonkeyPatch) -> None:
    views = random_views(1, 1)
    regions, words = views.own_regions_bRD[0].float(), Words(views.words[0].tokens_BLD.float(), views.words[0].word_BL)

    def gradient(enabled: bool) -> torch.Tensor:
        leaf = regions.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):  # around the backward pass too
            local_scores(leaf, words, Local(weight=1)).square().sum().backward()
        assert leaf.grad is not None
        return leaf.grad

    expected = gradient(enabled=False)
    monkeypatch.setitem(CHUNK_ELEMENTS, "cpu", 1)
    torch.testing.assert_close(gradient(enabled=True), expected, rtol=0, atol=1e-5)


def test_local_scores_do_not_depend_on_padding_or_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    views = random_views(1, 1)
    tokens, numbers = views.words[0]
    settings = Local(weight=1)
    whole = local_scores(views.own_regions_bRD[0], views.words[0], settings)
    noise = torch.randn(B, 3, D, dtype=torch.float64)
    padded = Words(torch.cat([tokens, noise], dim=1), torch.cat([numbers, torch.full((B, 3), -1)], dim=1))
    assert torch.allclose(local_scores(views.own_regions_bRD[0], padded, settings), whole, atol=1e-12)
    monkeypatch.setitem(CHUNK_ELEMENTS, "cpu", 1)
    assert torch.allclose(local_scores(views.own_regions_bRD[0], views.words[0], settings), whole, atol=1e-12)
    monkeypatch.setattr("radsweep.objectives.local.LIKE_LENGTH", 2)
    assert len(set(numbers.amax(dim=1).tolist())) > 1, "texts of different lengths, so that their order changes"
    assert torch.allclose(local_scores(views.own_regions_bRD[0], views.words[0], settings), whole, atol=1e-12)


@pytest.mark.parametrize("images", [1, 2], ids=lambda images: f"chunks of {images}")
@pytest.mark.parametrize("regions", [R, 12])
def test_local_has_the_same_gradient_in_chunks(regions: int, images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def gradients() -> tuple[torch.Tensor, ...]:
        views = random_views(1, 1, regions)
        leaves = (views.own_regions_bRD[0].requires_grad_(), views.words[0].tokens_BLD.requires_grad_())
        return torch.autograd.grad(local(views, Local(weight=1)).loss, leaves)

    whole = gradients()
    monkeypatch.setitem(CHUNK_ELEMENTS, "cpu", images * B * 4 * regions)
    for found, expected in zip(gradients(), whole, strict=True):
        assert torch.allclose(found, expected, atol=1e-12)


def test_word_pieces_are_summed_into_words() -> None:
    tokens, numbers = random_views(1, 1).words[0]
    words, mask = sum_pieces(Words(tokens, numbers))
    assert mask.sum(dim=1).tolist() == [3, 4, 1, 2, 3]
    assert torch.allclose(words[2, 0], tokens[2, 1:5].sum(dim=0))


def full_bank() -> NeighbourBank:
    """In evaluation mode, so that a loss can be computed again."""
    bank = NeighbourBank(Neighbours(weight=1), WIDTHS).double()
    bank.add(
        unit(9, D, seed=30), Rows(torch.arange(9), torch.arange(9) // 2, torch.arange(9), torch.arange(9)[:, None])
    )
    return bank.eval()


@pytest.mark.parametrize("name", sorted(TERMS))
def test_gradient_agrees_with_finite_differences(name: str) -> None:
    views, bank = random_views(1, 1), full_bank()
    rows = Rows(torch.arange(B), torch.arange(B) // 2, torch.arange(B), torch.arange(B)[:, None])
    count = torch.arange(B).double()

    def loss(*given: torch.Tensor) -> torch.Tensor:
        image, text, regions, tokens, scale, bias, z1, z2, loss_B = given
        words = Words(tokens, views.words[0].word_BL)
        built = Views(
            (image, unit(B, D, seed=50)), (text, unit(B, D, seed=51)), scale, bias, (regions,), (words, words),
            rows=rows, heads={"neighbours": bank},
            outputs={"image_ssl": (z1, z2), "text_ssl": (loss_B, count)},
        )  # fmt: skip
        return TERMS[name].loss(built, getattr(ALL, name)).loss

    inputs = (views.image_BD[0], views.text_BD[0], views.own_regions_bRD[0], views.words[0].tokens_BLD, views.scale)
    others = (torch.tensor(-2.0).double(), unit(B, 4, seed=40), unit(B, 4, seed=41), unit(1, B, seed=42)[0])
    leaves = tuple(tensor.clone().requires_grad_() for tensor in (*inputs, *others))
    assert torch.autograd.gradcheck(loss, leaves, atol=1e-6)


def test_every_term_has_settings_and_a_loss() -> None:
    assert set(TERMS) == {name for name, term in Objective() if isinstance(term, TermSettings)}


def test_a_term_whose_input_a_module_maps_has_one() -> None:
    mapped = {Need.STRONG_VIEWS, Need.MASKED_TOKENS, Need.DROPOUT_VIEWS}
    for name, term in ALL.terms.items():
        assert TERMS[name].head is not None or not term.needs & mapped


def test_a_term_of_weight_zero_is_neither_built_nor_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("built or computed")

    for name in set(TERMS) - {"contrast"}:
        monkeypatch.setitem(TERMS, name, Term(forbidden, forbidden))
    loss, logged = total_loss(random_views(), Objective())
    assert set(logged) == {"loss/contrast", "logit_scale", "similarity_spread"}
    assert float(loss) == pytest.approx(logged["loss/contrast"])
    assert not build_heads(Objective(), WIDTHS, seed=0)


def test_a_head_starts_by_its_seed_and_only_its_own_settings() -> None:
    heads = build_heads(ALL, WIDTHS, seed=0)
    assert set(heads) == {"image_ssl", "text_ssl", "neighbours"}
    alone = build_heads(Objective(image_ssl=ALL.image_ssl), WIDTHS, seed=0)
    assert set(alone) == {"image_ssl"}
    expected = heads["image_ssl"].state_dict()
    for name, tensor in alone["image_ssl"].state_dict().items():
        assert torch.equal(tensor, expected[name])
    other = build_heads(ALL, WIDTHS, seed=1)["image_ssl"].state_dict()
    assert not torch.equal(other["projector.0.weight"], expected["projector.0.weight"])


def test_the_total_is_the_weighted_sum_of_its_terms() -> None:
    objective = Objective(contrast=Contrast(weight=0.5), local=Local(weight=2))
    loss, logged = total_loss(random_views(), objective)
    assert float(loss) == pytest.approx(0.5 * logged["loss/contrast"] + 2 * logged["loss/local"])


def test_the_spread_of_similarities_shows_collapse() -> None:
    same = unit(1, D, seed=1).expand(B, D)
    logged = contrast(Views((same,), (same,), torch.tensor(1.0)), Contrast()).logged
    assert logged["similarity_spread"] == pytest.approx(0, abs=1e-9)
