"""The renderer: one visibility pass (nearness and solid of each pixel), then shading by solid.

frame = render(scene, camera)                    # data.Frame: image, planar depth, ids
frames = render_all(scene, cameras)
boxes, visible = instance_boxes(scene, camera)   # exact extents; share that is not occluded
depth = depth_images(tables, records, 64, 64)    # many worlds, depth alone, nothing checked
"""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "InstanceBoxes": ".boxes",
        "depth_images": ".picture",
        "instance_boxes": ".boxes",
        "render": ".picture",
        "render_all": ".picture",
    },
)
