"""ECR DescribeImages as it lists: by tag status, page by page, and with an error for an image that is not there.

AWS: ECR API Reference, DescribeImages: ImageNotFoundException for an image named in imageIds; filter.tagStatus; at most
maxResults images (1 to 1000, default 100) and a nextToken while there are more; neither goes together with imageIds.
ministack answers every image at once, and leaves out those it does not find.
"""
import base64
import json

from ministack.core.responses import error_response_json
from ministack.services import ecr

DEFAULT_PAGE, LONGEST_PAGE = 100, 1000


def _wrong(text):
    return error_response_json("InvalidParameterException", f"Invalid parameter at '{text}", 400)


def _start(token):
    """The place of the first image of a page; None for a token that is none."""
    try:
        return int(base64.b64decode(token or "MA==", validate=True))
    except ValueError:
        return None


def missing(name, wanted):
    """The first of these image ids that the repository does not have."""
    return next((image for image in wanted if ecr._find_image(name, image) is None), None)


def page(images, status, start, size):
    """(the images of a page that have this tag status, the token of the next page or None)."""
    fits = {"TAGGED": bool, "UNTAGGED": lambda tags: not tags}.get(status, lambda tags: True)
    fitting = [image for image in images if fits(image.get("imageTags"))]
    end = start + size
    return fitting[start:end], base64.b64encode(str(end).encode()).decode() if end < len(fitting) else None


def describe_images(original):
    """Check what is asked, then cut what ministack found into pages."""
    def describe(data):
        name, wanted, size, token = data.get("repositoryName", ""), data.get("imageIds"), data.get("maxResults"), data.get("nextToken")
        if wanted and (size is not None or token):
            return _wrong("maxResults' failed to satisfy constraint: 'must not be used together with imageIds'")
        if size is not None and not 1 <= size <= LONGEST_PAGE:
            return _wrong(f"maxResults' failed to satisfy constraint: 'must be between 1 and {LONGEST_PAGE}'")
        start = _start(token)
        if start is None:
            return _wrong("nextToken' failed to satisfy constraint: 'must be a token of an answer before'")
        response = original(data)
        if response[0] != 200:
            return response
        lost = missing(name, wanted or [])
        if lost:
            return error_response_json("ImageNotFoundException", f"The image with imageId {json.dumps(lost)} does not exist within "
                                       f"the repository with name '{name}' in the registry", 400)
        found = json.loads(response[2])["imageDetails"]
        if wanted:
            return response
        images, after = page(found, (data.get("filter") or {}).get("tagStatus"), start, size or DEFAULT_PAGE)
        return ecr.json_response({"imageDetails": images, **({"nextToken": after} if after else {})})
    return describe


def install():
    """Patch the ECR of the running ministack."""
    ecr._describe_images = describe_images(ecr._describe_images)
