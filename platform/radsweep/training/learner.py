"""What a trial trains: its model, and the modules that only its objective's terms need."""

from __future__ import annotations

from torch import nn

from radsweep.config.trial import Trial
from radsweep.models.vlm import VisionLanguageModel
from radsweep.objectives.total import build_heads
from radsweep.objectives.views import Widths


class Learner(nn.Module):
    """Heads are no part of what is kept when a trial has ended; a checkpoint that it resumes from has them."""

    def __init__(self, model: VisionLanguageModel, trial: Trial, vocabulary: int, studies: int) -> None:
        """`studies`: number that the trial trains on."""
        super().__init__()
        self.model = model
        widths = Widths(
            image=model.image.width,
            text=model.text.width,
            tokens=model.text.token_width,
            token_embeddings=model.text.input_embeddings.shape[1],
            vocabulary=vocabulary,
            dim=trial.model.dim,
            studies=studies,
        )
        self.heads = build_heads(trial.objective, widths, trial.train.seed)
