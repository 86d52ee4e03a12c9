"""Keras' own networks, as PyTorch modules under our names.

Written to keras/src/applications/resnet.py (Keras 3.15.1); `python make --check-keras` compares them with Keras.
"""

import torch
from torch import nn

from .net import SMALL, Net, Stage, stages_of

EPSILON = 1.001e-5


def norm(channels, epsilon):
    return nn.BatchNorm2d(channels, eps=epsilon)


class Block(nn.Module):
    """residual_block_v1: the first 1x1 takes the step, every convolution has a bias."""

    def __init__(self, inputs, planes, stride, epsilon, projects):
        super().__init__()
        outputs = 4 * planes
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 1, stride), norm(planes, epsilon)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, 1, 1), norm(planes, epsilon)
        self.conv3, self.bn3 = nn.Conv2d(planes, outputs, 1), norm(outputs, epsilon)
        self.downsample = None
        if projects:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), norm(outputs, epsilon))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        way = self.downsample(x) if self.downsample else x
        return torch.relu(self.bn3(self.conv3(y)) + way)


class BlockV2(nn.Module):
    """residual_block_v2: bias where no norm follows. Without a projection a max pool of 1x1 takes the step."""

    def __init__(self, inputs, planes, stride, epsilon, projects):
        super().__init__()
        self.stride = stride
        self.bn1, self.conv1 = norm(inputs, epsilon), nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn2, self.conv2 = norm(planes, epsilon), nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn3, self.conv3 = norm(planes, epsilon), nn.Conv2d(planes, 4 * planes, 1)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, 4 * planes, 1, stride)) if projects else None

    def forward(self, x):
        active = torch.relu(self.bn1(x))
        way = self.downsample(active) if self.downsample else nn.functional.max_pool2d(x, 1, self.stride)
        y = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        return self.conv3(torch.relu(self.bn3(y))) + way


class KerasNet(nn.Module):
    """ResNet of the source: a padded 7x7, a padded max pool, four stages, the pooled features, a linear layer."""

    v2 = False

    def __init__(self, depths, epsilon=EPSILON, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.start(epsilon)
        self.pad, self.maxpool = nn.ZeroPad2d(1), nn.MaxPool2d(3, 2)
        self.layer1 = self.stage(64, 64, depths[0], epsilon, 0)
        self.layer2 = self.stage(256, 128, depths[1], epsilon, 1)
        self.layer3 = self.stage(512, 256, depths[2], epsilon, 2)
        self.layer4 = self.stage(1024, 512, depths[3], epsilon, 3)
        self.finish(epsilon)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, classes)

    def start(self, epsilon):
        self.bn1 = norm(64, epsilon)

    def finish(self, epsilon):
        pass

    def stage(self, inputs, planes, depth, epsilon, index):
        strides = [1 if index == 0 else 2] + [1] * (depth - 1)
        blocks = [
            Block(inputs if i == 0 else 4 * planes, planes, stride, epsilon, i == 0) for i, stride in enumerate(strides)
        ]
        return nn.Sequential(*blocks)

    def stem(self, x):
        return self.maxpool(self.pad(torch.relu(self.bn1(self.conv1(x)))))

    def trunk(self, x):
        return self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))

    def forward(self, x):
        return self.fc(torch.flatten(self.avgpool(self.trunk(x)), 1))


class KerasNetV2(KerasNet):
    """Pre-activated: the last block of a stage takes its step, and the last stage has none."""

    v2 = True

    def start(self, epsilon):
        pass

    def finish(self, epsilon):
        self.bn, self.final_relu = norm(2048, epsilon), Stage()

    def stage(self, inputs, planes, depth, epsilon, index):
        strides = [1] * (depth - 1) + [1 if index == 3 else 2]
        blocks = [
            BlockV2(inputs if i == 0 else 4 * planes, planes, stride, epsilon, i == 0)
            for i, stride in enumerate(strides)
        ]
        return nn.Sequential(*blocks)

    def stem(self, x):
        return self.maxpool(self.pad(self.conv1(x)))

    def trunk(self, x):
        return self.final_relu(torch.relu(self.bn(super().trunk(x))))


DEPTHS = {50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}


def net(id, says, build, last=None, epsilon=EPSILON):
    return Net(
        id=id,
        family="keras",
        says=says,
        build=build,
        stages=stages_of(4, stem="maxpool", last=last),
        cases=(SMALL,),
        epsilon=epsilon,
        softmax=True,
    )


def v1(depth):
    return net(f"keras_resnet{depth}", f"keras.applications.ResNet{depth}()", lambda: KerasNet(DEPTHS[depth]))


def v2(depth):
    says = f"keras.applications.ResNet{depth}V2()"
    return net(f"keras_resnet{depth}v2", says, lambda: KerasNetV2(DEPTHS[depth]), last="final_relu")


V02 = net(
    "keras_resnet50_v02",
    "keras.applications.ResNet50() with epsilon 1e-3, as fchollet/deep-learning-models v0.2",
    lambda: KerasNet(DEPTHS[50], 1e-3),
    epsilon=1e-3,
)
MORE = [*map(v1, DEPTHS), V02, *map(v2, DEPTHS)]
