"""Labels beside their points that cover neither each other nor a point."""

from collections.abc import Sequence
from dataclasses import dataclass

# Directions in the order they are tried, as multiples of the distance: right first, then round the point.
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8))
DISTANCES = (1, 2, 3.2, 4.8, 7)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Area shared with another box, 0 where they do not meet."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    @property
    def area(self) -> float:
        """Width times height."""
        return max(0.0, self.right - self.left) * max(0.0, self.top - self.bottom)


@dataclass(frozen=True)
class Placed:
    """Where a label came to stand, and whether so far off that a line should join it to its point."""

    box: Box
    joined: bool


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    frame: Box,
    distance: float,
) -> list[Placed]:
    """Give each label the first place near its point that is free and inside the frame.

    Greedy, the points with most neighbours first; where nothing is free, the place that covers least.

    Args:
        points: of the labels, [n], pixels.
        sizes: width and height of each label, [n], pixels.
        obstacles: what no label may cover: markers, error bars.
        frame: what every label must lie in.
        distance: from a point to its label's edge, pixels.
    """
    placed: dict[int, Placed] = {}
    reach = 20 * distance

    def crowding(index: int) -> int:
        x, y = points[index]
        return sum(abs(x - u) < reach and abs(y - v) < reach / 2 for u, v in points)

    for index in sorted(range(len(points)), key=lambda i: (-crowding(i), i)):
        taken = [*obstacles, *(other.box for other in placed.values())]
        best, least = None, float("inf")
        for far in DISTANCES:
            for toward in DIRECTIONS:
                box = _beside(points[index], sizes[index], toward, far * distance)
                covered = sum(box.overlap(other) for other in taken) + 4 * (box.area - box.overlap(frame))
                if covered < least - 0.5:
                    best, least = Placed(box, joined=far > 2), covered
        assert best is not None, "the first place covers less than infinitely much"
        placed[index] = best
    return [placed[index] for index in range(len(points))]


def _beside(point: tuple[float, float], size: tuple[float, float], toward: tuple[float, float], distance: float) -> Box:
    """Rectangle of a label that lies in a direction from its point."""
    (x, y), (width, height), (right, up) = point, size, toward
    left = x + right * distance - (0 if right > 0 else width if right < 0 else width / 2)
    bottom = y + up * distance - (0 if up > 0 else height if up < 0 else height / 2)
    return Box(left, bottom, left + width, bottom + height)
