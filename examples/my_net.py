"""A network of your own as PyTorch code.

ropero networks examples/my_net.py:build          its table of layers
ropero train --network examples/my_net.py:build   train it
"""

import torch
from torch import nn


class MyNet(nn.Module):
    """Two convolutions with a shortcut around the second, and a linear layer."""

    def __init__(self, channels, classes):
        super().__init__()
        self.first = nn.Conv2d(channels, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 32, 3, padding=1)
        self.norm = nn.BatchNorm2d(32)
        self.pool = nn.AdaptiveAvgPool2d(7)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(32 * 7 * 7, classes)

    def forward(self, x):  # (N, C, H, W), pixels from 0 to 1
        x = torch.relu(self.first(x))
        x = torch.relu(x + self.norm(self.second(x)))
        x = self.pool(x).flatten(1)
        return self.out(self.drop(x))  # logits (N, K): no softmax


def build(input_shape, classes):  # (C, H, W) and how many classes
    return MyNet(input_shape[0], classes)
