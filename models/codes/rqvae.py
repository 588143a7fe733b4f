"""RQ-VAE: codebooks that are learned together with an encoder of the content vectors (Lee et al., CVPR 2022).

A vector is encoded, quantized level by level, and what the codes add up to is decoded again. Books begin as
residual k-means of the first codes, as in TIGER, so that none begins unused.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.codes.codebooks import LEVELS, RQVAE, Codebooks, fit_kmeans
from models.training.device import reproducible

LATENT, INNER = 32, 128
EPOCHS, BATCH = 200, 1024
RATE = 1e-3
COMMITMENT = 0.25  # weight of the encoder's share in the distance to the books


class RqVae(nn.Module):
    """Encoder, books, decoder; all of one width within."""

    def __init__(self, content: int, size: int, levels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(content, INNER), nn.ReLU(), nn.Linear(INNER, LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, INNER), nn.ReLU(), nn.Linear(INNER, content))
        self.books = nn.ParameterList(torch.zeros(size, LATENT) for _ in range(levels))

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [n, content] -> the loss: of the vectors made again, and of codes far from the books."""
        latent = self.encoder(vectors)  # [n, LATENT]
        residual, quantized, distance = latent, torch.zeros_like(latent), latent.new_zeros(())
        for book in self.books:
            with torch.no_grad():
                code = torch.cdist(residual, book).argmin(dim=1)  # [n]
            chosen = F.embedding(code, book)
            distance = distance + F.mse_loss(chosen, residual.detach())
            distance = distance + COMMITMENT * F.mse_loss(residual, chosen.detach())
            quantized = quantized + chosen
            residual = residual - chosen.detach()
        passed = latent + (quantized - latent).detach()  # gradients go past the books to the encoder
        loss: Tensor = F.mse_loss(self.decoder(passed), vectors) * vectors.shape[1] + distance
        return loss


def fit_rqvae(vectors: NDArray[np.float32], size: int, levels: int = LEVELS, seed: int = 0) -> Codebooks:
    """Train on content vectors [n, content], on one thread of the CPU; equal arguments, equal books."""
    with reproducible(threads=1):
        torch.manual_seed(seed)
        given = torch.from_numpy(vectors)
        model = RqVae(vectors.shape[1], size, levels)
        _begin(model, given, size, levels, seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        for _ in range(EPOCHS):
            for rows in torch.split(torch.randperm(len(given)), BATCH):
                optimizer.zero_grad()
                loss = model(given[rows])
                loss.backward()
                optimizer.step()
    found = {name: value.numpy() for name, value in model.encoder.state_dict().items()}
    layers = [(found[f"{layer}.weight"], found[f"{layer}.bias"]) for layer in (0, 2)]
    return Codebooks(RQVAE, [book.detach().numpy() for book in model.books], layers)


def _begin(model: RqVae, vectors: Tensor, size: int, levels: int, seed: int) -> None:
    with torch.no_grad():
        books = fit_kmeans(model.encoder(vectors).numpy(), size, levels, seed).books
        for book, found in zip(model.books, books, strict=True):
            book[: len(found)] = torch.from_numpy(found)
