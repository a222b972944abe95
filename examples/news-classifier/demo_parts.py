"""The parts of the demo: two of images, one of models."""

from __future__ import annotations

from perch_stage.parts import Part

import demo_images
import demo_models
from demo_stage import function_called, servers_called

# The first act and the fourth have a watch of a minute, so they are in different parts.
PARTS = {
    "images": (
        Part(demo_images.ACTS[:2], function_called, demo_images.play),
        Part(demo_images.ACTS[2:], function_called, demo_images.play),
    ),
    "models": (Part(demo_models.ACTS, servers_called, demo_models.play),),
}
