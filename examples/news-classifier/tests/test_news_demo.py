"""How the demo is put together; the acts themselves are `make demo`."""

import demo_images
import demo_models
from demo_parts import PARTS


def test_every_act_is_in_one_part_and_in_order() -> None:
    assert [act for parts in PARTS.values() for part in parts for act in part.acts] == [*demo_images.ACTS, *demo_models.ACTS]
