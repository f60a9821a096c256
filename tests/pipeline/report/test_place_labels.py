from itertools import combinations

import numpy as np

from pipeline.report.place_labels import Box, place_labels

FRAME = Box(0, 0, 800, 500)


def test_a_lone_label_stands_right_of_its_point_and_level_with_it() -> None:
    (spot,) = place_labels([(100, 100)], [(80, 20)], [], FRAME, 10)
    assert spot.box == Box(110, 90, 190, 110)
    assert not spot.joined


def test_at_the_right_edge_it_turns_left() -> None:
    (spot,) = place_labels([(790, 100)], [(80, 20)], [], FRAME, 10)
    assert spot.box == Box(700, 90, 780, 110)


def test_crowded_labels_cover_neither_each_other_nor_points() -> None:
    generator = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in generator.uniform((150, 100), (650, 400), (12, 2))]
    points[1] = points[0]  # two rows with the same figures
    markers = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    spots = place_labels(points, [(120, 16)] * 12, markers, FRAME, 10)
    boxes = [spot.box for spot in spots]
    assert all(a.overlap(b) == 0 for a, b in combinations(boxes, 2))
    assert all(box.overlap(marker) == 0 for box in boxes for marker in markers)
    assert all(box.overlap(FRAME) == box.area for box in boxes)


def test_overlap_is_the_shared_area() -> None:
    assert Box(0, 0, 4, 4).overlap(Box(3, 2, 9, 9)) == 2
    assert Box(0, 0, 1, 1).overlap(Box(2, 0, 3, 1)) == 0
