"""Networks that tutorials build, and MLPerf Tiny's, under our names."""

import math

import torch
from torch import nn

from .net import Case, Net, Stage, stages_of


def pads_of(size, kernel, stride):
    """Keras' padding 'same' of one axis: the smaller half before."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return [total // 2, total - total // 2]


def pads_same(x, kernel, stride):
    """What torch.nn.functional.pad is given: the last axis first."""
    return pads_of(x.shape[3], kernel, stride) + pads_of(x.shape[2], kernel, stride)


class KerasConv(nn.Conv2d):
    """A convolution with padding 'same'."""

    def forward(self, x):
        return super().forward(nn.functional.pad(x, pads_same(x, self.kernel_size[0], self.stride[0])))


class KerasPool(nn.MaxPool2d):
    """A max pool with padding 'same', of minus infinity."""

    def forward(self, x):
        pads = pads_same(x, self.kernel_size, self.stride)
        return super().forward(nn.functional.pad(x, pads, value=-math.inf))


def keras_norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class KerasBlock(nn.Module):
    """Two 3x3 with norms; a 1x1 where the shape changes, with a norm or without."""

    def __init__(self, inputs, planes, stride, normalized=True):
        super().__init__()
        self.conv1, self.bn1 = KerasConv(inputs, planes, 3, stride), keras_norm(planes)
        self.conv2, self.bn2 = KerasConv(planes, planes, 3), keras_norm(planes)
        self.downsample = None
        if stride != 1 or inputs != planes:
            way = [KerasConv(inputs, planes, 1, stride), keras_norm(planes)]
            self.downsample = nn.Sequential(*way[: 2 if normalized else 1])

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (self.downsample(x) if self.downsample else x))


def keras_stage(inputs, planes, depth, stride, normalized=True):
    first = KerasBlock(inputs, planes, stride, normalized)
    return nn.Sequential(first, *(KerasBlock(planes, planes, 1) for _ in range(depth - 1)))


class KerasTutorial(nn.Module):
    """A ResNet with biased convolutions, padding 'same' and four stages of three blocks."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.relu = KerasConv(3, 64, 7, 2), keras_norm(64), nn.ReLU()
        self.maxpool = KerasPool(3, 2)
        self.layer1 = keras_stage(64, 64, 3, 1)
        self.layer2 = keras_stage(64, 128, 3, 2)
        self.layer3 = keras_stage(128, 256, 3, 2)
        self.layer4 = keras_stage(256, 512, 3, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, 1000)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class MlperfTiny(nn.Module):
    """mlcommons/tiny (commit 1afd2c98), image_classification: three blocks, the shortcuts without norms."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.stem = KerasConv(3, 16, 3), keras_norm(16), Stage()
        self.layer1 = keras_stage(16, 16, 1, 1)
        self.layer2 = keras_stage(16, 32, 1, 2, normalized=False)
        self.layer3 = keras_stage(32, 64, 1, 2, normalized=False)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.stem(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class PaddleUnit(nn.Module):
    """A residual unit with biased convolutions and no relu after the sum."""

    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 3, stride, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, 1, 1), nn.BatchNorm2d(planes)
        self.projects = stride != 1 or inputs != planes
        if self.projects:
            self.shortcut, self.shortcut_bn = nn.Conv2d(inputs, planes, 1, stride), nn.BatchNorm2d(planes)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return y + (self.shortcut_bn(self.shortcut(x)) if self.projects else x)


class PytorchUnit(nn.Module):
    """The same with torchvision's names and a relu after the sum."""

    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 3, stride, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, 1, 1), nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or inputs != planes:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride), nn.BatchNorm2d(planes))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (self.downsample(x) if self.downsample else x))


class Alone(nn.Module):
    """One unit under the name `block`."""

    def __init__(self, unit):
        super().__init__()
        self.block = unit

    def forward(self, x):
        return self.block(x)


class InARow(nn.Module):
    """Units under the names `blocks.0` and so on."""

    def __init__(self, *units):
        super().__init__()
        self.blocks = nn.Sequential(*units)

    def forward(self, x):
        return self.blocks(x)


class TutorialUnit(nn.Module):
    """A residual unit that keeps its shape."""

    def __init__(self, planes):
        super().__init__()
        self.conv1, self.bn1, self.relu1 = nn.Conv2d(planes, planes, 3, 1, 1), nn.BatchNorm2d(planes), nn.ReLU()
        self.conv2, self.bn2, self.relu2 = nn.Conv2d(planes, planes, 3, 1, 1), nn.BatchNorm2d(planes), nn.ReLU()

    def forward(self, x):
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(y)) + x)


class PytorchTutorial(nn.Module):
    """Three times a convolution, norm, relu and three units; the second and third convolution take a step."""

    def __init__(self):
        super().__init__()
        inputs = 3
        for stage, planes in enumerate((64, 128, 256)):
            number = stage + 1
            conv = nn.Conv2d(inputs, planes, 3, 1 if stage == 0 else 2, 1)
            setattr(self, f"conv{number}", conv)
            setattr(self, f"bn{number}", nn.BatchNorm2d(planes))
            setattr(self, f"relu{number}", nn.ReLU())
            for index in range(3):
                setattr(self, f"res{3 * stage + index + 1}", TutorialUnit(planes))
            inputs = planes
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        for stage in range(3):
            number = stage + 1
            x = getattr(self, f"conv{number}")(x)
            x = getattr(self, f"relu{number}")(getattr(self, f"bn{number}")(x))
            for index in range(3):
                x = getattr(self, f"res{3 * stage + index + 1}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def unit(id, says, build, *shapes, long=True):
    cases = tuple(Case(shape, long) for shape in shapes)
    return Net(id=id, family="seed", says=says, build=build, input=(1, *shapes[0][1:]), cases=cases)


def units(prefix, title, ending, block):
    """The four small cases of a unit, and the unit at its own size."""

    def says(inputs, stride):
        return f"{title}({inputs}, 8, stride={stride}){ending}"

    return [
        unit(f"{prefix}_s1_id", says(8, 1), lambda: Alone(block(8, 8, 1)), (2, 8, 7, 6)),
        unit(f"{prefix}_s1_proj", says(6, 1), lambda: Alone(block(6, 8, 1)), (2, 6, 7, 6)),
        unit(f"{prefix}_s2", says(8, 2), lambda: Alone(block(8, 8, 2)), (2, 8, 8, 8), (1, 8, 7, 9)),
        unit(prefix, says(8, 1), lambda: Alone(block(8, 8, 1)), (1, 8, 8, 8), long=False),
    ]


SEED_000 = units("seed000_block", "seed 000 Paddle BasicBlock", ": no relu after the add", PaddleUnit)
SEED_003 = units("seed003_block", "seed 003 ResNetBlock", ", its cut-off forward completed as usual", PytorchUnit)
SEQUENTIAL = unit(
    "seed000_sequential",
    "seed 000's `resnet50 = Sequential(...)` line as written: three BasicBlock(64, 64, stride=2)",
    lambda: InARow(*(PaddleUnit(64, 64, 2) for _ in range(3))),
    (1, 64, 20, 17),
)
PLAIN = [
    Net(
        id="seed004_net",
        family="seed",
        says="seed 004 `Net`, exactly as written",
        build=PytorchTutorial,
        input=(1, 3, 32, 32),
        stages={
            "stem": "relu1",
            **{name: name for name in ("res3", "relu2", "res6", "relu3", "res9", "avgpool")},
        },
        cases=(Case((4, 3, 32, 32), long=True),),
        long=True,
    ),
    Net(
        id="seed002_keras",
        family="seed",
        says="seed 002 Keras ResNet: padding 'same', biased convs, BN epsilon 1e-3, blocks [3,3,3,3], softmax output",
        build=KerasTutorial,
        stages=stages_of(4, stem="maxpool"),
        cases=(
            Case((2, 3, 64, 64), long=True),
            Case((2, 3, 224, 224), long=True),
            Case((1, 3, 75, 102), long=True, note="odd and even sizes: TF 'same' pads differ per axis"),
        ),
        epsilon=1e-3,
        softmax=True,
        long=True,
    ),
]
MORE = [
    Net(
        id="mlperf_tiny_resnet8",
        family="mlperf",
        says="mlcommons/tiny's Keras ResNet8: padding 'same', biased convs, BN epsilon 1e-3, shortcuts without norms",
        build=MlperfTiny,
        input=(1, 3, 32, 32),
        stages=stages_of(3),
        cases=(Case((4, 3, 32, 32)),),
        epsilon=1e-3,
        softmax=True,
    ),
    *SEED_000,
    SEQUENTIAL,
    *SEED_003,
]
