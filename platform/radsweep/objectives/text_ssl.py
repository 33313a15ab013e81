"""Self-supervision of reports: masked tokens (BERT), or one report under two dropout masks (SimCSE).

Shapes: N texts of one view, L tokens, C token width, E width of the input embeddings, V vocabulary, M predicted tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from radsweep.config.objective import TextSsl
from radsweep.models.features import full_precision
from radsweep.models.masked_lm import MaskedLanguageHead
from radsweep.objectives.infonce import row_cross_entropy
from radsweep.objectives.relations import without_positives
from radsweep.objectives.views import TermOutput, Views, Widths


def text_ssl(views: Views, settings: TextSsl) -> TermOutput:
    """mlm: the mean over all masked tokens of the global batch; the outputs are (loss_B, count_B) of `MaskedHead`.

    simcse: see there; the outputs are those for the two views.
    """
    first, second = views.outputs["text_ssl"]
    if settings.kind == "simcse":
        texts_BB = views.relations.texts_BB[0] if views.relations else None
        return TermOutput(simcse(first, second, settings.temperature, without_positives(texts_BB)), {})
    return TermOutput(masked_loss(first, second), {})


def text_ssl_head(settings: TextSsl, widths: Widths) -> nn.Module:
    """mlm: `MaskedHead`. simcse: pooled features [N, P] to [N, P], as in SimCSE; not used after training."""
    if settings.kind == "simcse":
        return nn.Sequential(nn.Linear(widths.text, widths.text), nn.Tanh())
    return masked_head(widths.tokens, widths.token_embeddings, widths.vocabulary, widths.pretrained_mlm())


def masked_head(
    token_width: int, token_embeddings: int, vocabulary: int, pretrained: MaskedLanguageHead | None = None
) -> MaskedHead:
    """The head that predicts masked tokens, for the objective's term and for adaptation alike.

    Args:
        pretrained: that of the text tower's checkpoint, if it has one; else it starts at random.
    """
    if pretrained is None:
        return MaskedHead(token_width, token_embeddings, vocabulary)
    return MaskedHead(token_width, token_embeddings, len(pretrained.bias_V), pretrained)


def masked_loss(loss_B: Tensor, count_B: Tensor) -> Tensor:
    """The mean over all predicted tokens of the batch, of what `MaskedHead` gave for each text."""
    return loss_B.sum() / count_B.detach().sum().clamp(min=1)


def simcse(first_BK: Tensor, second_BK: Tensor, temperature: float, relation_BB: Tensor | None = None) -> Tensor:
    """Unsupervised SimCSE (Gao et al. 2021, eq. 4): each report's first view finds its second among the batch's.

    Args:
        relation_BB: as in `Relations`, for pairs that are left out.
    """
    first, second = (functional.normalize(view, dim=-1) for view in (first_BK, second_BK))
    return row_cross_entropy(first @ second.T / temperature, relation_BB)


class MaskedHead(nn.Module):
    """BERT's (Devlin et al. 2019): dense, GELU, LayerNorm, then the tower's input embeddings as the decoder.

    A checkpoint's head keeps its activation, and its decoder if that is not the input embeddings.
    """

    def __init__(
        self, token_width: int, token_embeddings: int, vocabulary: int, pretrained: MaskedLanguageHead | None = None
    ) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.decoder_VE: nn.Parameter | None = None
        if pretrained is None:
            self.dense = nn.Linear(token_width, token_embeddings)
            self.activation: nn.Module = nn.GELU()
            self.norm = nn.LayerNorm(token_embeddings, eps=1e-12)
            nn.init.normal_(self.dense.weight, std=0.02)
            nn.init.zeros_(self.dense.bias)
            return
        self.dense, self.activation, self.norm = pretrained.dense, pretrained.activation, pretrained.norm
        self.bias.data.copy_(pretrained.bias_V)
        if pretrained.decoder_VE is not None:
            self.decoder_VE = nn.Parameter(pretrained.decoder_VE.clone())

    def forward(self, tokens_NLC: Tensor, target_NL: Tensor, embedding_VE: Tensor) -> tuple[Tensor, Tensor]:
        """Each text's sum of cross-entropies over its predicted tokens, and their number, both float [N].

        Args:
            target_NL: int64, -1 for tokens that are not predicted (`radsweep.augment.masking`).
            embedding_VE: the tower's, with gradient; rows beyond the tokenizer's vocabulary are left out.
        """
        predicted_NL = target_NL >= 0
        hidden_ME = self.norm(self.activation(self.dense(tokens_NLC[predicted_NL])))  # logits only at these
        decoder_VE = embedding_VE[: len(self.bias)] if self.decoder_VE is None else self.decoder_VE
        with torch.autocast(hidden_ME.device.type, enabled=False):
            logits_MV = functional.linear(full_precision(hidden_ME), decoder_VE, self.bias)
            loss_M = functional.cross_entropy(logits_MV, target_NL[predicted_NL], reduction="none")
        loss_NL = loss_M.new_zeros(target_NL.shape).masked_scatter(predicted_NL, loss_M)
        return loss_NL.sum(dim=1), predicted_NL.sum(dim=1).to(loss_M.dtype)
