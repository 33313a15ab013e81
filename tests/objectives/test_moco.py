"""MoCo against plain NumPy in float64, its queue, and the slow copy that gives the keys."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from radsweep.config.model import ImageTower
from radsweep.config.objective import ImageSsl
from radsweep.models.features import ImageTowerModule
from radsweep.models.image import build_image_tower
from radsweep.objectives.image_ssl import image_ssl, image_ssl_head
from radsweep.objectives.moco import KeyQueue, MomentumHead, moco
from radsweep.objectives.views import Rows, Views, Widths

B, K, Q = 4, 6, 7
IDS = torch.tensor([12, 40, 7, -3])  # any int64 may be an id


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit(row: np.ndarray) -> np.ndarray:
    return row / math.sqrt(float(row @ row))


def filled_queue(images: list[int]) -> KeyQueue:
    """In evaluation mode, so that a loss can be computed again."""
    queue = KeyQueue(Q, K).double()
    queue.add(nn.functional.normalize(random(len(images), K, seed=50), dim=-1), torch.tensor(images))
    return queue.eval()


def plain_moco(
    views: list[tuple[np.ndarray, np.ndarray]], old: list[tuple[int, np.ndarray]], ids: list[int], temperature: float
) -> float:
    """Eq. 1 of MoCo, query by query, both ways; keys of the batch are negatives too (MoCo v3, algorithm 1)."""
    losses = []
    for (queries, _), (_, keys) in (views, views[::-1]):
        for i, query in enumerate(queries):
            candidates = list(keys) + [key for image, key in old if image != ids[i]]
            scores = [float(unit(query) @ unit(key)) / temperature for key in candidates]
            losses.append(math.log(sum(math.exp(score) for score in scores)) - scores[i])
    return float(np.mean(losses))


@pytest.mark.parametrize("images", [[], [1, 2, 3], [12, 1, 2, 12, 3, 4, 40]], ids=["empty", "part", "own keys in it"])
def test_moco_finds_the_other_view_among_the_batch_and_the_queue(images: list[int]) -> None:
    queue = filled_queue(images) if images else KeyQueue(Q, K).double().eval()
    first, second = ((random(B, K, seed=seed), random(B, K, seed=seed + 1)) for seed in (1, 3))
    old = [(image, queue.keys_QK[place].numpy()) for place, image in enumerate(images)]
    plain = [(query.numpy(), key.numpy()) for query, key in (first, second)]
    expected = plain_moco(plain, old, IDS.tolist(), 0.2)
    assert float(moco(first, second, queue, IDS, 0.2)) == pytest.approx(expected, abs=1e-9)


def test_its_gradient_agrees_with_finite_differences_and_keys_have_none() -> None:
    queue, keys = filled_queue([12, 1, 2]), [random(B, K, seed=seed).requires_grad_() for seed in (5, 6)]

    def loss(query_1: torch.Tensor, query_2: torch.Tensor) -> torch.Tensor:
        return moco((query_1, keys[0]), (query_2, keys[1]), queue, IDS, 0.5)

    queries = tuple(random(B, K, seed=seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(loss, queries, atol=1e-6)
    loss(*queries).backward()
    assert keys[0].grad is None
    assert keys[1].grad is None


def test_a_batch_that_enters_the_queue_still_has_its_gradient() -> None:
    queue, query = filled_queue([1, 2, 3]).train(), random(B, K, seed=1).requires_grad_()
    moco((query, random(B, K, seed=2)), (random(B, K, seed=3), random(B, K, seed=4)), queue, IDS, 0.2).backward()
    found, again = query.grad, random(B, K, seed=1).requires_grad_()
    moco(
        (again, random(B, K, seed=2)), (random(B, K, seed=3), random(B, K, seed=4)), filled_queue([1, 2, 3]), IDS, 0.2
    ).backward()
    assert found is not None
    torch.testing.assert_close(found, again.grad)


def test_the_oldest_keys_leave_the_queue_first() -> None:
    queue = KeyQueue(5, K)
    batches = [torch.randn(3, K, generator=torch.Generator().manual_seed(n)) for n in range(3)]
    for number, batch in enumerate(batches):
        queue.add(batch, torch.arange(3) + 10 * number)
    assert queue.image_Q.tolist() == [12, 20, 21, 22, 11]
    torch.testing.assert_close(queue.keys_QK[1:4], batches[2])
    assert queue.filled_Q.all()
    queue.add(torch.ones(9, K), torch.arange(100, 109))  # a batch larger than the queue leaves its end
    assert sorted(queue.image_Q.tolist()) == [104, 105, 106, 107, 108]


def test_keys_enter_once_a_step_after_the_loss_and_not_in_evaluation() -> None:
    queue = KeyQueue(Q, K).double()
    views = [(random(B, K, seed=seed), random(B, K, seed=seed + 1)) for seed in (1, 3)]
    (first, second), started = views, float(moco(views[0], views[1], queue, IDS, 0.2))
    assert queue.filled_Q.sum() == B
    torch.testing.assert_close(queue.keys_QK[:B], nn.functional.normalize(first[1], dim=-1))
    assert queue.image_Q[:B].tolist() == IDS.tolist()
    measured = [float(moco(first, second, queue.eval(), IDS, 0.2)) for _ in range(2)]
    assert measured[0] == measured[1] > started, "now there are old keys of the other images too"
    assert queue.filled_Q.sum() == B


def tower() -> ImageTowerModule:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_image_tower(ImageTower(backbone="resnet18", size=32)).train()


def new_head(queue: int = Q, images: int = 100, momentum: float = 0.9) -> tuple[ImageTowerModule, MomentumHead]:
    fast = tower()
    return fast, MomentumHead(fast, hidden=16, dim=K, queue=queue, momentum=momentum, images=images).train()


def test_a_key_depends_on_its_image_only() -> None:
    """Statistics of a batch would give the positive away among keys of other batches."""
    _, head = new_head()
    pixels = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    whole = head.keys(pixels)
    torch.testing.assert_close(head.keys(pixels[2:4]), whole[2:4], rtol=0, atol=1e-5)
    assert not whole.requires_grad
    assert not head.slow_tower.training


def test_the_slow_copies_start_as_the_fast_ones_and_follow_them_statistics_included() -> None:
    fast, head = new_head(momentum=0.75)
    before = {name: tensor.clone() for name, tensor in head.slow_tower.state_dict().items()}
    for name, tensor in fast.state_dict().items():
        assert torch.equal(before[name], tensor)
    with torch.no_grad():
        for parameter in (*fast.parameters(), *head.projector.parameters()):
            parameter.add_(1.0)
    fast(torch.rand(6, 1, 32, 32))  # moves the statistics
    projected = [parameter.clone() for parameter in head.slow_projector.parameters()]
    head.follow(fast)
    moved = head.slow_tower.state_dict()
    for name, tensor in fast.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(moved[name], 0.75 * before[name] + 0.25 * tensor)
        else:
            assert torch.equal(moved[name], tensor)
    assert any("running_mean" in name and not torch.equal(moved[name], before[name]) for name in moved)
    for slow, start in zip(head.slow_projector.parameters(), projected, strict=True):
        torch.testing.assert_close(slow, start + 0.25)


def test_only_the_projector_is_trained_and_all_state_is_in_a_checkpoint() -> None:
    _, head = new_head()
    trained = {name.split(".")[0] for name, parameter in head.named_parameters() if parameter.requires_grad}
    assert trained == {"projector"}
    kept = {name.split(".")[0] for name in head.state_dict()}
    assert kept == {"projector", "slow_tower", "slow_projector", "queue"}


def test_the_queue_is_no_longer_than_the_images_are_many() -> None:
    assert len(new_head(queue=4096, images=30)[1].queue.keys_QK) == 30
    assert len(new_head(queue=20, images=30)[1].queue.keys_QK) == 20


def test_as_a_term_it_knows_the_studies_of_the_batch() -> None:
    settings = ImageSsl(weight=1, kind="moco", hidden=16, dim=8, queue=16)
    widths = Widths(512, 5, 5, 5, 12, 7, studies=9, image_tower=tower())
    head = image_ssl_head(settings, widths)
    assert isinstance(head, MomentumHead)
    outputs = tuple(torch.randn(B, 8, generator=torch.Generator().manual_seed(n)) for n in range(4))
    views = Views(
        (),
        (),
        torch.tensor(1.0),
        rows=Rows(IDS, IDS, IDS, IDS[:, None]),
        heads={"image_ssl": head},
        outputs={"image_ssl": outputs},
    )
    found = image_ssl(views, settings).loss
    expected = moco(outputs[:2], outputs[2:], KeyQueue(9, 8), IDS, settings.temperature)  # type: ignore[arg-type]
    assert found == expected
    assert head.queue.image_Q[:B].tolist() == IDS.tolist()
    with pytest.raises(ValueError, match="needs its queue"):
        image_ssl(Views((), (), torch.tensor(1.0), outputs={"image_ssl": outputs}), settings)
