"""Models of torchvision, and others that its ResNet makes from other numbers."""

import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from .net import SMALL, Case, Net, stages_of

STAGES = stages_of(4, stem="maxpool")
FULL = Case((2, 3, 224, 224), long=True)

WEIGHTS = {
    name: getattr(torchvision.models, f"{weights}_Weights").IMAGENET1K_V1
    for name, weights in {
        "resnet18": "ResNet18",
        "resnet34": "ResNet34",
        "resnet50": "ResNet50",
        "resnet101": "ResNet101",
        "resnet152": "ResNet152",
        "resnext50_32x4d": "ResNeXt50_32X4D",
        "resnext101_32x8d": "ResNeXt101_32X8D",
        "resnext101_64x4d": "ResNeXt101_64X4D",
        "wide_resnet50_2": "Wide_ResNet50_2",
        "wide_resnet101_2": "Wide_ResNet101_2",
    }.items()
}


def published(name):
    """torchvision's own figures."""
    meta = WEIGHTS[name].meta
    return {"numParams": meta["num_params"], "gmacs": meta["_ops"]}


def odd(name):
    """The smaller case that three models have."""
    maps = name in ("resnet18", "resnet50")
    return (Case((1, 3, 97, 131), long=True, maps=maps),) if maps or name == "resnext50_32x4d" else ()


def named(name):
    return Net(
        id=name,
        family="torchvision",
        says=f"torchvision.models.{name}()",
        build=getattr(torchvision.models, name),
        stages=STAGES,
        cases=(*odd(name), FULL),
        published=published(name),
        long=True,
    )


def made(id, says, build, **more):
    return Net(id=id, family="torchvision", says=f"torchvision {says}", build=build, stages=STAGES, **more)


class FirstStride(Bottleneck):
    """The paper's bottleneck: its first 1x1 takes the step, torchvision's 3x3 does."""

    def __init__(self, inplanes, planes, stride=1, *more, **options):
        super().__init__(inplanes, planes, stride, *more, **options)
        self.conv1.stride, self.conv2.stride = self.conv2.stride, (1, 1)


class BiasedFirstStride(FirstStride):
    """BottleneckV1 of Apache MXNet's gluon/model_zoo/vision/resnet.py: its 1x1 convolutions have biases."""

    def __init__(self, inplanes, planes, stride=1, *more, **options):
        super().__init__(inplanes, planes, stride, *more, **options)
        self.conv1 = nn.Conv2d(inplanes, planes, 1, stride)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1)


def with_stem_of_cifar(block, depths):
    """kuangliu/pytorch-cifar (commit 49b7aa97), models/resnet.py: a 3x3 stem and no max pool."""
    model = ResNet(block, depths, num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()
    return model


DEPTHS = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
    152: (Bottleneck, [3, 8, 36, 3]),
}


def first_stride(depth):
    depths = DEPTHS[depth][1]
    says = f"ResNet(Bottleneck, {depths}) with the stride on the first 1x1"
    return made(f"resnet{depth}_v1", says, lambda: ResNet(FirstStride, depths), cases=(SMALL,))


def mxnet(depth):
    depths = DEPTHS[depth][1]
    says = f"ResNet(Bottleneck, {depths}) with the stride on the first 1x1 and biased 1x1, as Apache MXNet has it"
    return made(f"mxnet_resnet{depth}_v1", says, lambda: ResNet(BiasedFirstStride, depths), cases=(SMALL,))


def cifar(depth):
    block, depths = DEPTHS[depth]
    net = f"ResNet({block.__name__}, {depths})"
    return Net(
        id=f"cifar_resnet{depth}",
        family="torchvision",
        says=f"torchvision {net} with a 3x3 stem and no max pool, as kuangliu/pytorch-cifar",
        build=lambda: with_stem_of_cifar(block, depths),
        input=(1, 3, 32, 32),
        stages=stages_of(4, stem="relu"),
        cases=(Case((1, 3, 32, 32)),),
    )


def wide_groups(width):
    says = f"ResNet(Bottleneck, [3, 4, 23, 3], groups=32, width_per_group={width})"
    return made(
        f"resnext101_32x{width}d",
        says,
        lambda: ResNet(Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=width),
        cases=(SMALL,),
    )


RESNET200 = made(
    "resnet200",
    "ResNet(Bottleneck, [3, 24, 36, 3])",
    lambda: ResNet(Bottleneck, [3, 24, 36, 3]),
    cases=(Case((1, 3, 64, 64), long=True),),
    long=True,
)
RESNEXT14 = made(
    "resnext14_32x4d",
    "ResNet(Bottleneck, [1, 1, 1, 1], groups=32, width_per_group=4): small, for training",
    lambda: ResNet(Bottleneck, [1, 1, 1, 1], groups=32, width_per_group=4),
    cases=(SMALL,),
    long=True,
)
PLAIN = [*map(named, WEIGHTS), RESNET200, RESNEXT14]
MORE = [
    *map(first_stride, (50, 101, 152)),
    *map(wide_groups, (16, 32, 48)),
    *map(cifar, DEPTHS),
    *map(mxnet, (50, 101, 152)),
]
