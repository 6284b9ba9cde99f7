import pytest
import torch
from torch import nn

from clinfonce.errors import InputError
from clinfonce.models import ProjectionHead, build_encoder
from clinfonce.torchvision_import import import_torchvision

CASES = [
    ("small_cnn", 1, 8, None, 128),
    ("small_cnn", 3, 4, None, 128),
    ("small_cnn", 3, 33, None, 128),
    ("small_cnn", 3, 64, None, 128),
    ("resnet18", 1, 8, None, 512),
    ("resnet18", 3, 80, None, 512),
    ("resnet18", 2, 32, "large", 512),
    ("resnet34", 3, 16, None, 512),
    ("resnet50", 3, 16, "small", 2048),
    ("vit_s16", 3, 32, None, 384),
    ("vit_s8", 1, 8, None, 384),
]


@pytest.mark.parametrize(("name", "channels", "size", "stem", "feature_dim"), CASES)
def test_features_have_the_promised_shape_and_reach_every_weight(
    name, channels, size, stem, feature_dim
):
    torch.manual_seed(0)
    encoder = build_encoder(name, channels=channels, image_size=size, stem=stem)
    features = encoder(torch.randn(4, channels, size, size))
    assert features.shape == (4, feature_dim)
    assert encoder.feature_dim == feature_dim
    features.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


@pytest.mark.parametrize("name", ["small_cnn", "resnet18"])
def test_manual_seed_decides_the_weights(name):
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        encoder = build_encoder(name, channels=3, image_size=16)
        return torch.cat([p.flatten() for p in encoder.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_small_cnn_keeps_places_to_average_over():
    encoder = build_encoder("small_cnn", channels=1, image_size=8)
    assert encoder.blocks(torch.randn(2, 1, 8, 8)).shape == (2, 128, 4, 4)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet_has_torchvisions_keys_and_values(name):
    theirs = getattr(import_torchvision("torchvision.models"), name)().eval()
    ours = build_encoder(name, channels=3, image_size=96).eval()
    state = {key: v for key, v in theirs.state_dict().items() if not key.startswith("fc.")}
    ours.load_state_dict(state)
    theirs.fc = nn.Identity()
    images = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)
    assert not ours.conv1.weight.is_contiguous()  # channels last


def test_stem_follows_image_size_unless_given():
    def stride(size: int, stem: str | None) -> int:
        network = build_encoder("resnet18", channels=3, image_size=size, stem=stem)
        return network.conv1.stride[0] * (1 if isinstance(network.maxpool, nn.Identity) else 2)

    assert (stride(64, None), stride(65, None)) == (1, 4)
    assert (stride(64, "large"), stride(65, "small")) == (4, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet19", 3, 32, None), "'resnet19'; known are small_cnn, resnet18"),
        (("small_cnn", 3, 3, None), "images of 3 pixels are too small; at least 4"),
        (("resnet18", 3, 7, None), "resnet18 with the small stem: images of 7 pixels"),
        (("resnet18", 3, 31, "large"), "at least 32"),
        (("resnet18", 3, 32, "tiny"), "unknown stem 'tiny'; known are small, large"),
        (("small_cnn", 3, 32, "small"), "no stem to choose"),
        (("small_cnn", 0, 32, None), "images of 0 channels"),
        (("vit_s16", 3, 40, None), "40 pixels do not divide into patches of 16"),
        (("vit_s16", 3, 32, "small"), "no stem to choose"),
    ],
)
def test_a_wrong_choice_says_what_is_allowed(arguments, message):
    name, channels, size, stem = arguments
    with pytest.raises(InputError, match=message):
        build_encoder(name, channels=channels, image_size=size, stem=stem)


def test_width_scales_the_small_network():
    encoder = build_encoder("small_cnn", channels=1, image_size=8, width=4)
    assert encoder.feature_dim == encoder(torch.randn(2, 1, 8, 8)).shape[1] == 16
    with pytest.raises(InputError, match="width is 0"):
        build_encoder("small_cnn", channels=1, image_size=8, width=0)
    with pytest.raises(InputError, match="no width to choose"):
        build_encoder("resnet18", channels=1, image_size=8, width=4)


def test_transformer_is_torchvisions_with_the_same_weights():
    theirs = import_torchvision("torchvision.models").VisionTransformer(
        image_size=32, patch_size=16, num_layers=12, num_heads=6, hidden_dim=384, mlp_dim=1536
    )
    theirs.heads = nn.Identity()
    names = {
        "class_token": "cls_token",
        "encoder.pos_embedding": "pos_embed",
        "conv_proj.": "patch_embed.proj.",
        "encoder.layers.encoder_layer_": "blocks.",
        "ln_1": "norm1",
        "ln_2": "norm2",
        "self_attention.in_proj_": "attn.qkv.",
        "self_attention.out_proj": "attn.proj",
        "mlp.0": "mlp.fc1",
        "mlp.3": "mlp.fc2",
        "encoder.ln": "norm",
    }
    state = {}
    for key, value in theirs.state_dict().items():
        for old, new in names.items():
            key = key.replace(old, new)
        state[key] = value
    ours = build_encoder("vit_s16", channels=3, image_size=32).eval()
    ours.load_state_dict(state)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)
    assert (
        sum(p.numel() for p in build_encoder("vit_s16", channels=3, image_size=224).parameters())
        == 21_665_664
    )


@pytest.mark.parametrize(
    ("model", "channels", "image_size"),
    [
        ("resnet10t", 3, 33),
        ("vit_tiny_patch16_224", 1, 32),
        ("mobilenetv3_small_050", 1, 32),  # has a layer between the maps and the classifier
    ],
)
def test_timm_models_lose_their_classifier(model, channels, image_size):
    encoder = build_encoder(f"timm:{model}", channels=channels, image_size=image_size)
    features = encoder.eval()(torch.zeros(2, channels, image_size, image_size))
    assert features.shape == (2, encoder.feature_dim)


class Viewed(nn.Conv2d):
    """A user's network: takes a view of a convolution's places, has a weight of five axes."""

    def __init__(self):
        super().__init__(3, 2, 3)
        self.volume = nn.Parameter(torch.ones(1, 1, 1, 1, 1))

    def forward(self, images):
        return super().forward(images).view(len(images), -1) * self.volume.view(1)


def viewed(*, channels, image_size):
    return Viewed()


def test_ones_own_network_is_left_as_it_is():
    encoder = build_encoder(f"python:{__name__}:viewed", channels=3, image_size=8)
    assert encoder(torch.randn(4, 3, 8, 8)).shape == (4, 72)


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "timm:resnet10t"])
def test_filters_have_the_channels_last(name):
    network = build_encoder(name, channels=3, image_size=64)
    filters = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert filters
    assert all(f.is_contiguous(memory_format=torch.channels_last) for f in filters)


def test_timm_says_what_it_cannot_build():
    with pytest.raises(InputError, match=r"timm [\d.]+ has no model 'none'"):
        build_encoder("timm:none", channels=3, image_size=32)
    with pytest.raises(InputError, match=r"images of 33 pixels: .*divide"):
        build_encoder("timm:xcit_nano_12_p16_224", channels=3, image_size=33)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_embeddings_lie_on_the_sphere(layers):
    head = ProjectionHead(16, 24, 8, layers=layers)
    embeddings = head(torch.randn(5, 16) * 100)
    assert embeddings.shape == (5, 8)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(5))
    assert sum(isinstance(m, nn.Linear) for m in head.modules()) == layers


def test_embeddings_are_float32_under_autocast():
    head = ProjectionHead(16, 24, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = head(torch.randn(5, 16))
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(5), rtol=0, atol=1e-6)


def test_embedding_of_nothing_is_finite():
    head = ProjectionHead(4, 4, 3, layers=1)
    nn.init.zeros_(head.layers[0].bias)
    features = torch.zeros(2, 4, requires_grad=True)
    embeddings = head(features)
    embeddings.sum().backward()
    assert torch.isfinite(embeddings).all()
    assert torch.isfinite(features.grad).all()


def test_head_refuses_no_layers():
    with pytest.raises(InputError, match="layers is 0"):
        ProjectionHead(4, 4, 3, layers=0)


def test_weights_of_a_transformer_have_timm_s_names():
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    theirs = timm.create_model("vit_small_patch16_224", num_classes=0, img_size=32).eval()
    ours = build_encoder("vit_s16", channels=3, image_size=32).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: no name more, none less
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)
