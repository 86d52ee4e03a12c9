"""Pre-activated networks for ImageNet, as Apache MXNet's model zoo has them (resnet v2)."""

import torch
from torch import nn

from .net import SMALL, Net, Stage, stages_of


class Basic(nn.Module):
    """norm, relu, 3x3, twice; a bare 1x1 of the first activation where the shape changes."""

    expansion = 1

    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.project(inputs, planes, stride)

    def project(self, inputs, outputs, stride):
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def branch(self, active):
        return self.conv2(torch.relu(self.bn2(self.conv1(active))))

    def forward(self, x):
        active = torch.relu(self.bn1(x))
        way = self.shortcut(active) if hasattr(self, "shortcut") else x
        return self.branch(active) + way


class Bottleneck(Basic):
    """norm, relu, convolution, three times. The 3x3 takes the step."""

    expansion = 4

    def __init__(self, inputs, planes, stride):
        nn.Module.__init__(self)
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(planes), nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.project(inputs, 4 * planes, stride)

    def branch(self, active):
        y = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        return self.conv3(torch.relu(self.bn3(y)))


class Trunk(nn.Module):
    """A norm of the image, a 7x7, norm, relu, a max pool, and the stages."""

    def __init__(self, block, depths):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(3)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs, self.names = 64, []
        for stage, depth in enumerate(depths):
            planes, first = 64 << stage, 1 if stage == 0 else 2
            blocks = []
            for stride in [first] + [1] * (depth - 1):
                blocks.append(block(inputs, planes, stride))
                inputs = planes * block.expansion
            self.names.append(f"layer{stage + 1}")
            setattr(self, self.names[-1], nn.Sequential(*blocks))
        self.channels = inputs

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(self.bn0(x)))))
        for name in self.names:
            x = getattr(self, name)(x)
        return x


class Preact(Trunk):
    """The trunk, a norm, a relu, the pooled features, and a linear layer."""

    def __init__(self, block, depths):
        super().__init__(block, depths)
        self.bn, self.final_relu = nn.BatchNorm2d(self.channels), Stage()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.channels, 1000)

    def forward(self, x):
        x = self.final_relu(torch.relu(self.bn(super().forward(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


DEPTHS = {
    18: (Basic, [2, 2, 2, 2]),
    34: (Basic, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
    152: (Bottleneck, [3, 8, 36, 3]),
}


def preact(depth):
    block, depths = DEPTHS[depth]
    return Net(
        id=f"resnet{depth}v2",
        family="mxnet",
        says=f"pre-activation ResNet v2 depth {depth} with a norm of the image, as Apache MXNet has it",
        build=lambda: Preact(block, depths),
        stages=stages_of(4, stem="maxpool", last="final_relu"),
        cases=(SMALL,),
    )


TRUNK = Net(
    id="resnet50v2_trunk",
    family="mxnet",
    says="the first two stages of resnet50v2, without a head",
    build=lambda: Trunk(Bottleneck, [3, 4]),
    stages={"stem": "maxpool", "layer1": "layer1", "layer2": "layer2"},
    cases=(SMALL,),
)
MORE = [*map(preact, DEPTHS), TRUNK]
