"""Attention that gathers a sequence into one vector."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class AttentionPool(nn.Module):
    """The last step asks, all steps answer: (B, K, D) → (B, D), and the weight each head gave to each step.

    Parameters: 4(D² + D).

    Args:
        d_model: D. num_heads: must divide D.
    """

    def __init__(self, d_model: int, num_heads: int = 4) -> None:
        super().__init__()
        if d_model % num_heads:
            raise ValueError(
                f"AttentionPool: num_heads is {num_heads}, expected a divisor of d_model = {d_model}"
            )
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_model, 2 * d_model)
        self.output = nn.Linear(d_model, d_model)

    def forward(self, x: Float[Tensor, "B K D"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B heads K"]]:
        """Pool; the weights of a head sum to one over K."""
        query = self.query(x[:, -1]).unflatten(-1, (self.num_heads, -1))
        key, value = self.key_value(x).unflatten(-1, (2, self.num_heads, -1)).unbind(2)
        scores = torch.einsum("bhd,bkhd->bhk", query, key) * query.shape[-1] ** -0.5
        weights = scores.softmax(-1)
        pooled = torch.einsum("bhk,bkhd->bhd", weights, value)
        return self.output(pooled.flatten(1)), weights
