"""CIFAR's networks of He et al. 2015, section 4.2, and He et al. 2016, and those of chenyaofo/pytorch-cifar-models."""

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from .net import Case, Net, Silent, Stage, stages_of, zero_pad_channels


def conv3x3(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


def conv1x1(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


class Cifar(nn.Module):
    """A 3x3 stem, three stages of `depth` blocks with 16, 32 and 64 planes, and a linear layer."""

    def __init__(self, depth, block, expansion=1, classes=10):
        super().__init__()
        self.conv1 = conv3x3(3, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.stem = Stage()
        inputs = 16
        for stage, planes in enumerate((16, 32, 64)):
            outputs = planes * expansion
            strides = [1 if stage == 0 else 2] + [1] * (depth - 1)
            blocks = [block(inputs if i == 0 else outputs, planes, stride) for i, stride in enumerate(strides)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = outputs
        self.finish(inputs)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def finish(self, channels):
        """What comes between the last stage and the pooling: nothing."""

    def start(self, x):
        return torch.relu(self.bn1(self.conv1(x)))

    def end(self, x):
        return x

    def forward(self, x):
        x = self.stem(self.start(x))
        x = self.end(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class PadShortcut(Silent):
    """Option A: every stride-th pixel, and zero channels, half of them in front or all behind."""

    def __init__(self, inputs, outputs, stride, even):
        super().__init__()
        zeros = outputs - inputs
        self.stride, self.before = stride, zeros // 2 if even else 0
        self.after = zeros - self.before

    def forward(self, x):
        return zero_pad_channels(x[:, :, :: self.stride, :: self.stride], self.before, self.after)


class PlainBlock(nn.Module):
    """The basic block with option A."""

    def __init__(self, inputs, planes, stride, even=True):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, planes, stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv3x3(planes, planes), nn.BatchNorm2d(planes)
        self.way = PadShortcut(inputs, planes, stride, even)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.way(x))


class PlainBlockPadEnd(PlainBlock):
    def __init__(self, inputs, planes, stride):
        super().__init__(inputs, planes, stride, even=False)


class ProjectedBlock(BasicBlock):
    """torchvision's basic block, with a 1x1 convolution and a norm where the shape changes."""

    def __init__(self, inputs, planes, stride):
        change = stride != 1 or inputs != planes
        way = nn.Sequential(conv1x1(inputs, planes, stride), nn.BatchNorm2d(planes)) if change else None
        super().__init__(inputs, planes, stride, way)


class PreactCifar(Cifar):
    """The stem is a bare convolution; a norm and a relu follow the last stage."""

    def __init__(self, *args):
        super().__init__(*args)
        del self.bn1

    def start(self, x):
        return self.conv1(x)

    def finish(self, channels):
        self.bn, self.relu = nn.BatchNorm2d(channels), nn.ReLU()

    def end(self, x):
        return self.relu(self.bn(x))


class PreactBasic(nn.Module):
    """norm, relu, 3x3, twice; option A on the raw input."""

    projects = False

    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv3x3(inputs, planes, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), conv3x3(planes, planes)
        changes = stride != 1 or inputs != planes
        if self.projects and changes:
            self.shortcut = conv1x1(inputs, planes, stride)
        else:
            self.way = PadShortcut(inputs, planes, stride, even=True)

    def forward(self, x):
        active = torch.relu(self.bn1(x))
        way = self.shortcut(active) if hasattr(self, "shortcut") else self.way(x)
        y = self.conv1(active)
        return self.conv2(torch.relu(self.bn2(y))) + way


class PreactBasicProjected(PreactBasic):
    projects = True


class PreactBottleneck(nn.Module):
    """norm, relu, convolution, three times; a bare 1x1 of the first activation where the shape changes."""

    first = True
    """Whether the first 1x1 takes the step, as in the authors' own code, or the 3x3."""

    def __init__(self, inputs, planes, stride):
        super().__init__()
        steps = (stride, 1) if self.first else (1, stride)
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv1x1(inputs, planes, steps[0])
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), conv3x3(planes, planes, steps[1])
        self.bn3, self.conv3 = nn.BatchNorm2d(planes), conv1x1(planes, 4 * planes)
        if stride != 1 or inputs != 4 * planes:
            self.shortcut = conv1x1(inputs, 4 * planes, stride)

    def forward(self, x):
        active = torch.relu(self.bn1(x))
        way = self.shortcut(active) if hasattr(self, "shortcut") else x
        y = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        return self.conv3(torch.relu(self.bn3(y))) + way


class PreactBottleneckStride3x3(PreactBottleneck):
    first = False


FOUR = Case((4, 3, 32, 32), long=True)
MAPS = Case((4, 3, 32, 32), long=True, maps=True)
SHORT = Case((4, 3, 32, 32))
ONE = Case((1, 3, 32, 32))


def net(id, says, build, family="cifar", last=None, **more):
    stages = stages_of(3, last=last)
    return Net(id=id, family=family, says=says, build=build, input=ONE.shape, stages=stages, **more)


def plain(depth, padend=False, cases=(FOUR,), **more):
    where = "all after" if padend else "split evenly before and after"
    block = PlainBlockPadEnd if padend else PlainBlock
    return net(
        f"cifar_resnet{depth}{'_padend' if padend else ''}",
        f"CIFAR ResNet v1 depth {depth}, option A, zero channels {where}",
        lambda: Cifar((depth - 2) // 6, block),
        cases=cases,
        **more,
    )


def preact(id, says, depth, block, expansion=1, cases=(FOUR,), **more):
    def build():
        return PreactCifar(depth, block, expansion)

    return net(id, says, build, family="cifar-v2", last="relu", cases=cases, **more)


def projected(classes, depth):
    return net(
        f"cifar{classes}_resnet{depth}",
        f"chenyaofo/pytorch-cifar-models (commit 786c1625): depth {depth}, 1x1 projection and norm, {classes} classes",
        lambda: Cifar((depth - 2) // 6, ProjectedBlock, classes=classes),
        cases=(SHORT,),
    )


V2 = "CIFAR pre-activation ResNet v2 depth"
PLAIN = [
    plain(20, cases=(MAPS,), long=True),
    plain(32, cases=(SHORT,), long=True),
    plain(44, cases=(SHORT,), long=True),
    plain(56, long=True),
    plain(110, long=True),
    preact(
        "cifar_preact20",
        f"{V2} 20, basic, option A shortcut on the raw x (zero channels split evenly)",
        3,
        PreactBasic,
        long=True,
    ),
    preact(
        "cifar_preact20_proj",
        f"{V2} 20, basic, 1x1 projection of relu(bn1(x)) where the shape changes",
        3,
        PreactBasicProjected,
        cases=(MAPS,),
        long=True,
    ),
    preact(
        "cifar_preact164",
        f"{V2} 164, bottleneck, stride on the first 1x1 (He's own code)",
        18,
        PreactBottleneck,
        4,
        long=True,
    ),
    preact(
        "cifar_preact164_s3x3",
        "the same with the stride on the 3x3",
        18,
        PreactBottleneckStride3x3,
        4,
        long=True,
    ),
]
DEEP = [
    plain(1202, cases=(ONE,)),
    preact("cifar_preact1001", f"{V2} 1001, bottleneck", 111, PreactBottleneck, 4, cases=(ONE,)),
]
MORE = [
    plain(20, padend=True),
    plain(32, padend=True, cases=(SHORT,)),
    plain(44, padend=True, cases=(SHORT,)),
    plain(56, padend=True),
    plain(110, padend=True),
    plain(1202, padend=True, cases=(ONE,)),
    *(projected(classes, depth) for classes in (10, 100) for depth in (20, 32, 44, 56)),
]
