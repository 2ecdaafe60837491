"""LRNNet as a PyTorch module: every variant and ablation of Tables 1 and 2.

Jiang, Xie, Li, Liu, Lu, "LRNNet: A light-weighted network with efficient reduced non-local operation for
real-time semantic segmentation", arXiv 2006.02706. Module names are the parameter names of the weight files
(`encoder.8.left.conv1.weight`, `svn.reduce_bn.running_mean`, ...), so a `state_dict` needs no renaming.

This is the plain form, node for node the paper; nothing is folded or reordered here.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrnnet.config import VARIANTS, Config

BN_EPS = 1e-3  # as ENet, ERFNet and LEDNet
BOTTLENECK = 32  # channels of the Queries, Keys and Values (paper 3.4)
HEAD_WIDTH = 32  # middle width of the classifier
STAGE_3 = 7  # its first layer in the encoder
STAGE_3_DILATIONS = (1, 2, 5, 9, 2, 5, 9, 17)  # LEDNet's series (paper 3.2)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BN_EPS)


def conv3x1(channels: int, bias: bool, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, (3, 1), padding=(dilation, 0), dilation=(dilation, 1), bias=bias)


def conv1x3(channels: int, bias: bool, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, (1, 3), padding=(0, dilation), dilation=(1, dilation), bias=bias)


def channel_shuffle(x: Tensor) -> Tensor:
    """`[n, c, h, w] -> [n, c, h, w]` with `out[2 i + g] = x[g c/2 + i]` (two groups)."""
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Downsample(nn.Module):
    """`[n, i, h, w] -> [n, o, h/2, w/2]`: ENet's transition, a strided convolution beside a max-pool."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs - inputs, 3, stride=2, padding=1, bias=False)
        self.bn = batch_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(torch.cat([self.conv(x), F.max_pool2d(x, 2, 2)], 1)))


class FactorizedHalf(nn.Module):
    """One branch of the FCB, `[n, c/2, h, w] -> same`: two 1-D convolutions, BN, ReLU."""

    def __init__(self, channels: int, vertical_first: bool) -> None:
        super().__init__()
        first, second = (conv3x1, conv1x3) if vertical_first else (conv1x3, conv3x1)
        self.conv1 = first(channels, bias=False)
        self.conv2 = second(channels, bias=False)
        self.bn = batch_norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv2(F.relu(self.conv1(x)))))


class FCB(nn.Module):
    """Factorized convolution block, `[n, c, h, w] -> same` (paper 3.3, Fig. 4c)."""

    def __init__(self, channels: int, dilation: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.left = FactorizedHalf(channels // 2, vertical_first=True)
        self.right = FactorizedHalf(channels // 2, vertical_first=False)
        self.depthwise = nn.Conv2d(
            channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False
        )
        self.depthwise_bn = batch_norm(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.pointwise_bn = batch_norm(channels)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        y = torch.cat([self.left(a), self.right(b)], 1)
        y = self.depthwise_bn(self.depthwise(y))
        y = self.dropout(self.pointwise_bn(self.pointwise(y)))
        return channel_shuffle(F.relu(x + y))


class BottleneckChain(nn.Module):
    """The chain of SS-nbt and Non-bt-1D, `[n, c, h, w] -> same`; its convolutions have biases."""

    def __init__(self, channels: int, dilation: int, vertical_first: bool = True) -> None:
        super().__init__()
        first, second = (conv3x1, conv1x3) if vertical_first else (conv1x3, conv3x1)
        self.conv1 = first(channels, bias=True)
        self.conv2 = second(channels, bias=True)
        self.bn1 = batch_norm(channels)
        self.conv3 = first(channels, bias=True, dilation=dilation)
        self.conv4 = second(channels, bias=True, dilation=dilation)
        self.bn2 = batch_norm(channels)

    def chain(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv2(F.relu(self.conv1(x)))))
        return self.bn2(self.conv4(F.relu(self.conv3(x))))

    def forward(self, x: Tensor) -> Tensor:
        return self.chain(x)


class SSnbt(nn.Module):
    """LEDNet's split-shuffle non-bottleneck, `[n, c, h, w] -> same` (the ablation block of Table 1)."""

    def __init__(self, channels: int, dilation: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.left = BottleneckChain(channels // 2, dilation, vertical_first=True)
        self.right = BottleneckChain(channels // 2, dilation, vertical_first=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        y = self.dropout(torch.cat([self.left(a), self.right(b)], 1))
        return channel_shuffle(F.relu(x + y))


class NonBt1D(BottleneckChain):
    """ERFNet's non-bottleneck-1D, `[n, c, h, w] -> same` (Fig. 4a): one branch, no split, no shuffle."""

    def __init__(self, channels: int, dilation: int, dropout: float = 0.0) -> None:
        super().__init__(channels, dilation)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.dropout(self.chain(x)))


def unit(v: Tensor) -> Tensor:
    """`v / |v|` over the last axis; the 1e-12 makes an all-zero region a zero vector, never NaN."""
    return v / torch.sqrt((v * v).sum(-1, keepdim=True) + 1e-12)


def regions(q: Tensor, k: int) -> Tensor:
    """`[n, c, h, w] -> [n, k*k, c, P]`: cut into k x k regions of `ceil(h/k) x ceil(w/k)`, zero-padded.

    Zero columns change neither `A A^T` nor the left singular vectors, so padding here is exact.
    """
    n, c, h, w = q.shape
    rh, rw = -(-h // k), -(-w // k)
    q = F.pad(q, (0, k * rw - w, 0, k * rh - h))
    q = q.view(n, c, k, rh, k, rw).permute(0, 2, 4, 1, 3, 5)
    return q.reshape(n, k * k, c, rh * rw)


def dominant_vectors(a: Tensor, u0: Tensor, power_iters: int) -> Tensor:
    """Algorithm 1: `[n, s, c, P] -> [n, s, c]`, the dominant left singular vector of each matrix `[c, P]`."""
    u = u0.expand(a.shape[:-1])
    for _ in range(power_iters):
        v = unit((unit(u).unsqueeze(-2) @ a).squeeze(-2))
        u = (a @ v.unsqueeze(-1)).squeeze(-1)
    return unit(u)


def pooled_vectors(q: Tensor, k: int, mode: str) -> Tensor:
    """`[n, c, h, w] -> [n, k*k, c]`: max or mean of each region's real positions; zero where there are none."""
    real = regions(torch.ones_like(q[:1, :1]), k)
    a = regions(q, k)
    count = real.sum(-1)
    if mode == "mean":
        return a.sum(-1) / count.clamp(min=1)
    return a.masked_fill(real == 0, float("-inf")).amax(-1).masked_fill(count == 0, 0.0)


class SVN(nn.Module):
    """The reduced non-local block, `[n, c, h, w] -> same` (paper 3.4, Eq. 4).

    Computed in float32 whatever the autocast type, since norms and their sums lose too much in half precision.
    """

    def __init__(self, channels: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.reduce = nn.Conv2d(channels, BOTTLENECK, 1, bias=False)
        self.reduce_bn = batch_norm(BOTTLENECK)
        self.register_buffer("u0", torch.ones(BOTTLENECK))
        self.expand = nn.Conv2d(BOTTLENECK, channels, 1, bias=False)
        self.expand_bn = batch_norm(channels)

    def keys(self, q: Tensor) -> Tensor:
        """`[n, 32, h, w] -> [n, S, 32]`: the Keys, which are also the Values."""
        config = self.config
        if config.context == "nonlocal":
            return q.flatten(2).transpose(1, 2)
        if config.context == "svn":
            found = [dominant_vectors(regions(q, k), self.u0, config.power_iters) for k in config.scales]
        else:
            found = [pooled_vectors(q, k, config.context) for k in config.scales]
        return torch.cat(found, 1)

    def forward(self, x: Tensor) -> Tensor:
        q = self.reduce_bn(self.reduce(x))
        with torch.autocast(x.device.type, enabled=False):
            q = q.float()
            keys = self.keys(q)
            n, c, h, w = q.shape
            # (q . K_j) V_j, no softmax and no 1/S: Eq. 4 as printed.
            o = (q.flatten(2).transpose(1, 2) @ keys.transpose(1, 2)) @ keys
            o = o.transpose(1, 2).reshape(n, c, h, w)
        return x + self.expand_bn(self.expand(o))


class Classifier(nn.Module):
    """`[n, c, h, w] -> [n, classes, h, w]`: 3x3 convolution, BN, ReLU, 1x1 convolution."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, HEAD_WIDTH, 3, padding=1, bias=False)
        self.bn = batch_norm(HEAD_WIDTH)
        self.predict = nn.Conv2d(HEAD_WIDTH, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.predict(F.relu(self.bn(self.conv(x))))


def build_encoder(config: Config, dropout: float) -> nn.Sequential:
    """`[n, 3, h, w] -> [n, 128, h/8, w/8]`. Dropout acts in the last stage only."""
    block = {"fcb": FCB, "ss-nbt": SSnbt, "non-bt-1d": NonBt1D}[config.block]
    stage_1 = [Downsample(3, 32)] + [block(32, 1) for _ in range(3)]
    stage_2 = [Downsample(32, 64)] + [block(64, 1) for _ in range(2)]
    stage_3 = [Downsample(64, 128)] + [block(128, d, dropout) for d in STAGE_3_DILATIONS]
    return nn.Sequential(*stage_1, *stage_2, *stage_3)


def upsampled(logits: Tensor, times: int) -> Tensor:
    """`[n, c, h, w] -> [n, c, times h, times w]` float32: bilinear with half-pixel centres."""
    return F.interpolate(logits.float(), scale_factor=times, mode="bilinear", align_corners=False)


class LRNNet(nn.Module):
    """`[n, 3, h, w] -> [n, classes, h, w]` float32 logits; `h` and `w` are multiples of 8.

    The input is RGB, `(x / 255 - mean) / std`.
    """

    def __init__(self, config: Config = VARIANTS["c"], dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config, dropout)
        self.svn = None if config.context == "none" else SVN(128, config)
        self.classifier = Classifier(128, config.classes)

    def upper(self, x: Tensor) -> Tensor:
        """`[n, 128, h/8, w/8] -> [n, classes, h/8, w/8]`: what follows the encoder."""
        if self.svn is not None:
            x = self.svn(x)
        return self.classifier(x)

    def logits8(self, x: Tensor) -> Tensor:
        """`[n, 3, h, w] -> [n, classes, h/8, w/8]`: the logits before the upsampling."""
        h, w = x.shape[-2:]
        if h % 8 or w % 8:
            near = (max(8, round(h / 8) * 8), max(8, round(w / 8) * 8))
            raise ValueError(f"input is {h}x{w}; height and width must be multiples of 8, such as {near[0]}x{near[1]}")
        return self.upper(self.encoder(x))

    def forward(self, x: Tensor) -> Tensor:
        return upsampled(self.logits8(x), 8)


class WithAuxiliary(nn.Module):
    """`[n, 3, h, w] -> two of [n, classes, h, w]`: the network's logits, and those of a classifier on its stage 2.

    For training alone, where the second loss teaches the early layers; weight files hold `network` and nothing else.
    """

    def __init__(self, network: LRNNet) -> None:
        super().__init__()
        self.network = network
        self.auxiliary = Classifier(64, network.config.classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        encoder = self.network.encoder
        middle = encoder[:STAGE_3](x)
        logits8 = self.network.upper(encoder[STAGE_3:](middle))
        return upsampled(logits8, 8), upsampled(self.auxiliary(middle), 4)
