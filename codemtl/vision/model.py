"""Two networks for the same two tasks: the method's worked example, and a sound one of its kind.

Shapes: B pictures, HxW pixels, C classes, K boxes a picture (``num_detections``), F = x1, y1, x2,
y2. Both take pictures as floats from 0 to 1 [B, H, W, channels] and answer with ``Outputs``;
``losses`` turns these into one number a task, ``predict`` into labels and boxes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from codemtl.vision.boxes import giou, inside_means
from codemtl.vision.config import VisionConfig
from codemtl.vision.data import Targets

Outputs = dict[str, Tensor]
_SAME_BOX = 0.6  # overlap from which two cells mean the same


class Predictions(NamedTuple):
    """What a network says of each picture; None for a task that it was not built for."""

    probabilities_BC: Tensor | None  # of the image's label
    boxes_BKF: Tensor | None  # pixels of the canvas, best first
    scores_BK: Tensor | None
    classes_BK: Tensor | None


class DocumentModel(nn.Module):
    """The worked example to the letter: one shared convolution, one dense layer a task.

    ``Conv2D(32, 3x3, ReLU)``, then ``Dense(C, softmax)`` and ``Dense(K·4, linear)``, which Keras
    applies at each of the (H-2)·(W-2) positions; nothing pools. What the example leaves open is
    filled with the least that lets it be trained:

    - the image's class probabilities are the mean of the positions', and so are the K boxes, as
      fractions of the canvas; box k stands for the k-th largest object;
    - a box has no class scores of its own: its class is what the class head says inside of it, the
      mean over the positions in the box, and its score is that class's probability;
    - loss of ``cls``: cross-entropy of the image's label; of ``det``: smooth L1 of the boxes that
      exist plus cross-entropy of the classes inside the true boxes.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.tasks, self.num_detections = config.tasks, config.num_detections
        self.size = config.image_size
        self.shared = nn.Conv2d(config.channels, 32, 3)
        self.classification = nn.Linear(32, config.num_classes)
        if "det" in config.tasks:
            self.detection = nn.Linear(32, config.num_detections * 4)
        for name, parameter in self.named_parameters():  # as Keras does
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)

    def forward(self, images_BHWC: Tensor) -> Outputs:
        """Probabilities [B, H-2, W-2, C] and boxes [B, H-2, W-2, K·4] at every position."""
        features = functional.relu(self.shared(images_BHWC.permute(0, 3, 1, 2)))
        features = features.permute(0, 2, 3, 1)
        outputs = {"probabilities": self.classification(features).softmax(-1)}
        if "det" in self.tasks:
            outputs["boxes"] = self.detection(features)
        return outputs

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy of the label; smooth L1 of boxes plus cross-entropy inside them."""
        losses = {}
        probabilities = outputs["probabilities"]
        if "cls" in self.tasks:
            mean_BC = probabilities.mean((1, 2)).clamp_min(1e-8)
            losses["cls"] = functional.nll_loss(
                mean_BC.log(), targets.labels_B, ignore_index=-1, reduction="sum"
            ) / (targets.labels_B >= 0).sum().clamp_min(1)
        if "det" in self.tasks:
            count = min(self.num_detections, targets.classes_BM.shape[1])
            classes = targets.classes_BM[:, :count]
            there = classes >= 0
            boxes = targets.boxes_BMF[:, :count]
            boxes_BKF = outputs["boxes"].mean((1, 2)).view(len(boxes), -1, 4)[:, :count]
            off = functional.smooth_l1_loss(
                boxes_BKF, boxes / self.size, beta=0.1, reduction="none"
            ).sum(-1)
            inside = inside_means(probabilities, boxes, 1.5).clamp_min(1e-8)
            chosen = inside.gather(-1, classes.clamp_min(0)[..., None])[..., 0]
            losses["det"] = ((off - chosen.log()) * there).sum() / there.sum().clamp_min(1)
        return losses

    def predict(self, outputs: Outputs) -> Predictions:
        """All K boxes, best score first."""
        probabilities = outputs["probabilities"]
        mean_BC = probabilities.mean((1, 2)) if "cls" in self.tasks else None
        if "det" not in self.tasks:
            return Predictions(mean_BC, None, None, None)
        boxes = outputs["boxes"].mean((1, 2)).view(len(probabilities), -1, 4) * self.size
        boxes = boxes.clamp(0, self.size)
        scores, classes = inside_means(probabilities, boxes, 1.5).max(-1)
        scores, order = scores.sort(descending=True, stable=True)
        boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4))
        return Predictions(mean_BC, boxes, scores, classes.gather(1, order))


class _Block(nn.Sequential):
    """Convolution, normalisation, ReLU."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU(inplace=True),
        )


class _Separable(nn.Sequential):
    """A convolution in two cheap parts, each channel alone, then each position; then as above.

    A fifth of the arithmetic of a full 3x3 convolution at these widths (Chollet 2017, Xception).
    """

    def __init__(self, inner: int, outer: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.Conv2d(inner, outer, 1, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU(inplace=True),
        )


class _Residual(nn.Module):
    """Two separable convolutions and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _Separable(width, width), _Separable(width, width)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.second(self.first(x))
        return added


class ReferenceModel(nn.Module):
    """A small convolutional trunk with one head a task.

    Trunk: strides 2 to 16, then up again to stride 4 by adding; full convolutions only where they
    are cheap or make the picture smaller. Head ``cls``: features of stride 8 pooled by learned
    attention, then a linear layer. Head ``det``: on the stride-4 grid a centre score, class scores,
    and the distances to the four sides of the box (after CenterNet, Zhou et al. 2019, and FCOS,
    Tian et al. 2019). Each object is assigned to the cell of its centre and, with falling weight,
    to the cells around it; a local maximum of the centre score is a box, refined by what the cells
    beside it say, so nothing needs suppression; the K best pairs of a box and a class come out.
    """

    STRIDE = 4
    WIDTHS = (16, 48, 64, 128)  # at strides 2, 4, 8, 16
    NEIGHBOUR = 0.3  # what the cell beside a centre counts
    SMOOTHING = 0.1  # of the image's label: the share that is spread over all classes

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.tasks, self.num_detections = config.tasks, config.num_detections
        self.num_classes, self.size = config.num_classes, config.image_size
        w2, w4, w8, w16 = self.WIDTHS
        self.to4 = nn.Sequential(_Block(config.channels, w2, 2), _Block(w2, w4, 2))
        self.to8 = nn.Sequential(_Block(w4, w8, 2), _Residual(w8), _Residual(w8))
        self.to16 = nn.Sequential(_Separable(w8, w16, 2), _Residual(w16))
        self.up16, self.up8 = nn.Conv2d(w16, w8, 1), nn.Conv2d(w8, w4, 1)
        self.merge8, self.merge4 = _Residual(w8), _Residual(w4)
        if "cls" in config.tasks:
            self.cls_features = nn.Sequential(_Separable(w4, w8, 2), _Residual(w8))
            self.cls_attention = nn.Conv2d(w8, 1, 1)
            self.cls_out = nn.Linear(w8, config.num_classes)
        if "det" in config.tasks:
            self.det_features = nn.Sequential(_Separable(w4, w8), _Separable(w8, w8))
            self.det_out = nn.Conv2d(w8, 5 + config.num_classes, 1)
            with torch.no_grad():
                self.det_out.get_parameter("bias")[0] = -4.0  # few cells hold a centre
        middle = (torch.arange(config.image_size // self.STRIDE) + 0.5) * self.STRIDE
        self.register_buffer("middle", middle, persistent=False)
        self.middle: Tensor

    def forward(self, images_BHWC: Tensor) -> Outputs:
        """``label`` [B, C]; ``grid`` [B, 5 + C, H/4, W/4]: centre, four distances, classes."""
        x4 = self.to4(images_BHWC.permute(0, 3, 1, 2) * 4 - 1)
        x8 = self.to8(x4)
        x16 = self.to16(x8)
        x8 = self.merge8(x8 + functional.interpolate(self.up16(x16), scale_factor=2.0))
        x4 = self.merge4(x4 + functional.interpolate(self.up8(x8), scale_factor=2.0))
        outputs = {}
        if "cls" in self.tasks:
            features = self.cls_features(x4)
            attention = self.cls_attention(features).flatten(1).float().softmax(-1)
            pooled = torch.einsum("bcn,bn->bc", features.flatten(2).float(), attention)
            outputs["label"] = self.cls_out(pooled)
        if "det" in self.tasks:
            features = self.det_features(x4).float()
            with torch.autocast(features.device.type, enabled=False):  # coordinates need the bits
                outputs["grid"] = self.det_out(features)
        return outputs

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy of the label; centre focal loss + GIoU + cross-entropy of the classes."""
        losses = {}
        if "cls" in self.tasks:
            losses["cls"] = functional.cross_entropy(
                outputs["label"],
                targets.labels_B,
                ignore_index=-1,
                reduction="sum",
                label_smoothing=self.SMOOTHING,
            ) / (targets.labels_B >= 0).sum().clamp_min(1)
        if "det" in self.tasks:
            losses["det"] = self._detection_loss(outputs["grid"], targets)
        return losses

    def _detection_loss(self, grid: Tensor, targets: Targets) -> Tensor:
        heat_BYX, owner_BYX = self.assign(targets)
        count = (targets.classes_BM >= 0).sum().clamp_min(1)
        centre = grid[:, 0]
        negative = (1 - heat_BYX) ** 4 * centre.sigmoid() ** 2 * functional.softplus(centre)
        positive = (1 - centre.sigmoid()) ** 2 * functional.softplus(-centre)
        loss = torch.where(heat_BYX == 1, positive, negative).sum() / count
        b, y, x = torch.nonzero(heat_BYX > 0.3, as_tuple=True)
        owner, weight = owner_BYX[b, y, x], heat_BYX[b, y, x]
        total_BM = torch.zeros_like(targets.boxes_BMF[..., 0])
        total_BM.index_put_((b, owner), weight, accumulate=True)
        weight = weight / (total_BM[b, owner] * count)  # a small box counts as much as a large one
        cells = grid[b, :, y, x]
        boxes = self._boxes(cells[:, 1:5], self.middle[x], self.middle[y])
        off = 1 - giou(boxes, targets.boxes_BMF[b, owner])
        named = functional.cross_entropy(
            cells[:, 5:], targets.classes_BM[b, owner], reduction="none"
        )
        return loss + ((4 * off + named) * weight).sum()

    def assign(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """For every cell how near it is to a centre (1: it holds one), and to which box's.

        Each box makes an elliptic bell about its centre's cell, wide in proportion to its sides.
        """
        boxes, there = targets.boxes_BMF, targets.classes_BM >= 0
        centres = (boxes[..., :2] + boxes[..., 2:]) / 2
        cells = (centres / self.STRIDE).long().clamp(0, len(self.middle) - 1)
        sides = ((boxes[..., 2:] - boxes[..., :2]) / self.STRIDE * 0.12).clamp_min(0.65)
        line = torch.arange(len(self.middle), device=boxes.device)
        bells = [
            torch.exp(-((line - cells[..., i, None]) ** 2) / (2 * sides[..., i, None] ** 2))
            for i in (0, 1)
        ]
        heat = bells[1][..., :, None] * bells[0][..., None, :] * there[..., None, None]
        return heat.max(1)

    def _boxes(self, raw_NF: Tensor, x_N: Tensor, y_N: Tensor) -> Tensor:
        """Corners from distances to the left, top, right and bottom, given on a log scale."""
        left, top, right, bottom = (raw_NF.clamp(-4, 3.5).exp() * 3 * self.STRIDE).unbind(-1)
        return torch.stack([x_N - left, y_N - top, x_N + right, y_N + bottom], -1)

    def predict(self, outputs: Outputs) -> Predictions:
        """The label's probabilities; the K best pairs of a local maximum and a class as boxes.

        So where fewer than K objects are seen, the second guess at a doubtful one is told too.
        """
        label = outputs["label"].softmax(-1) if "cls" in self.tasks else None
        if "det" not in self.tasks:
            return Predictions(label, None, None, None)
        grid = outputs["grid"]
        centre = grid[:, 0]
        peaks = centre == functional.max_pool2d(centre, 3, 1, 1)
        centre = centre.masked_fill(~peaks, float("-inf")).flatten(1)
        best, place = centre.topk(min(self.num_detections, centre.shape[1]))
        boxes, named = self._around(grid, place)
        scores_BKC = best.sigmoid().sqrt()[..., None] * named.softmax(-1)
        scores, pair = scores_BKC.flatten(1).topk(place.shape[1])
        boxes = boxes.gather(1, (pair // self.num_classes)[..., None].expand(-1, -1, 4))
        return Predictions(label, boxes.clamp(0, self.size), scores, pair % self.num_classes)

    def _around(self, grid: Tensor, place_BK: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [B, K, 4] and class scores [B, K, C]: means over cells and their four neighbours.

        A neighbour that means another box does not count; the others count as in training.
        """
        side, depth = len(self.middle), grid.shape[1]
        boxes, named, total = [], [], []
        for right, down in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            x = (place_BK % side + right).clamp(0, side - 1)
            y = (place_BK // side + down).clamp(0, side - 1)
            index = (y * side + x)[:, None].expand(-1, depth, -1)
            cells_BKD = grid.flatten(2).gather(2, index).transpose(1, 2)
            boxes.append(self._boxes(cells_BKD[..., 1:5], self.middle[x], self.middle[y]))
            named.append(cells_BKD[..., 5:].log_softmax(-1))
            agrees = giou(boxes[-1], boxes[0]) > _SAME_BOX
            total.append(agrees * (self.NEIGHBOUR if right or down else 1.0))
        weights = torch.stack(total)[..., None]
        means = [(torch.stack(one) * weights).sum(0) / weights.sum(0) for one in (boxes, named)]
        return means[0], means[1]


Network = DocumentModel | ReferenceModel


def make_network(config: VisionConfig) -> Network:
    """The network of a configuration, freshly initialised, its weights laid out channels last."""
    network = DocumentModel(config) if config.model == "document" else ReferenceModel(config)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def parameter_count(network: nn.Module) -> int:
    """Numbers to learn."""
    return sum(parameter.numel() for parameter in network.parameters())
