"""Vision transformers (Dosovitskiy et al. 2021) under timm's parameter names."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from clinfonce.models.encoder import Encoder


@dataclass(frozen=True)
class ViTShape:
    """The size of a vision transformer: pixels of a patch's side, layers, width, heads."""

    patch: int
    depth: int
    dim: int
    heads: int


VITS = {"vit_s16": ViTShape(16, 12, 384, 6), "vit_s8": ViTShape(8, 12, 384, 6)}


class VisionTransformer(Encoder):
    """Pre-norm transformer over patches and a class token, whose last state is the feature.

    Args:
        shape: patch side, depth, width, heads.
        channels: of the images.
        image_size: side of the square images in pixels, a multiple of the patch's side.
    """

    def __init__(self, shape: ViTShape, *, channels: int, image_size: int) -> None:
        super().__init__()
        dim, patches = shape.dim, (image_size // shape.patch) ** 2
        self.feature_dim = dim
        self.patch_embed = _PatchEmbedding(shape.patch, channels, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + patches, dim))
        self.blocks = nn.Sequential(*(_Block(dim, shape.heads) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        self.apply(_initialize)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (n, dim) of images (n, c, h, w)."""
        patches = self.patch_embed(images)  # (n, patches, dim)
        tokens = torch.cat((self.cls_token.expand(patches.shape[0], -1, -1), patches), 1)
        states = self.blocks(tokens + self.pos_embed)
        features: Tensor = self.norm(states[:, 0])
        return features


class _PatchEmbedding(nn.Module):
    def __init__(self, patch: int, channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = self.proj(images)
        return patches.flatten(2).transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = _Perceptron(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, dim = x.shape
        qkv = self.qkv(x).view(n, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (n, heads, tokens, dim / heads) each
        mixed = F.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, tokens, dim))
        return y


class _Perceptron(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):  # as the linear map of a patch that it is
        nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
