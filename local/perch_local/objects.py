"""S3 as EventBridge hears of it: the version of the object that an event is about.

AWS: S3 User Guide, "EventBridge event message structure" (ev-events): `object.version-id` is there for an object in a
bucket with versioning. ministack leaves it out.
"""
import json
import threading

from ministack.services import eventbridge as EB, s3 as S3

_about = threading.local()      # the version that the event under way in this thread is about


def with_version(event, version_id):
    """The event with the version of its object, where it is S3's and there is one."""
    if event.get("Source") != "aws.s3" or not version_id:
        return event
    detail = json.loads(event["Detail"])
    detail["object"]["version-id"] = version_id
    return dict(event, Detail=json.dumps(detail))


def install():
    """Put the version id into S3's events on the default bus."""
    fire, dispatch = S3._fire_s3_event, EB._dispatch_event

    def fired(*arguments, **named):
        _about.version = named.get("version_id")
        try:
            return fire(*arguments, **named)
        finally:
            _about.version = None

    def dispatched(event, *more, **named):
        return dispatch(with_version(event, getattr(_about, "version", None)), *more, **named)

    S3._fire_s3_event, EB._dispatch_event = fired, dispatched
