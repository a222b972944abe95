"""Applications and tags: Create, Get, BatchGet, List, Update, Delete."""
from perch_local.codedeploy import inputs, store
from perch_local.codedeploy.errors import Refused

PLATFORMS = ("Lambda", "ECS", "Server")


def create(data):
    """CreateApplication; without a platform it is Server, as on AWS."""
    name, platform = inputs.application_name(data), data.get("computePlatform") or "Server"
    if name in store.applications:
        raise Refused("ApplicationAlreadyExists", f"Application already exists for name: {name}")
    if platform not in PLATFORMS:
        raise Refused("InvalidComputePlatform", f"The compute platform must be one of {', '.join(PLATFORMS)}: {platform}")
    store.applications[name] = {"applicationId": store.new_id(), "applicationName": name, "createTime": store.now(),
                                "linkedToGitHub": False, "computePlatform": platform}
    tag({"ResourceArn": store.arn("application", name), "Tags": data.get("tags") or []})
    return {"applicationId": store.applications[name]["applicationId"]}


def get(data):
    """GetApplication."""
    return {"application": store.application(inputs.application_name(data))}


def batch_get(data):
    """BatchGetApplications; names without an application are left out."""
    names = inputs.batch(data.get("applicationNames"), "ApplicationNameRequired")
    return {"applicationsInfo": [store.applications[name] for name in names if name in store.applications]}


def list_names(data):
    """ListApplications."""
    return inputs.paged("applications", list(store.applications), data.get("nextToken"))


def update(data):
    """UpdateApplication: another name; its groups go with it."""
    old, new = inputs.application_name(data), data.get("newApplicationName")
    kept = store.application(old)
    if not new or new == old:
        return {}
    inputs.name(data, "newApplicationName", "Application")
    if new in store.applications:
        raise Refused("ApplicationAlreadyExists", f"Application already exists for name: {new}")
    with store.lock:
        store.applications[new] = dict(kept, applicationName=new)
        for (owner, name), group in store.groups.items():
            if owner == old:
                store.groups[new, name] = dict(group, applicationName=new)
                store.groups.pop((old, name))
                if (old, name) in store.active:
                    store.active[new, name] = store.active.pop((old, name))
        store.applications.pop(old)
    return {}


def delete(data):
    """DeleteApplication with its groups; one that does not exist is no error."""
    name = inputs.application_name(data)
    for owner, group in list(store.groups):
        if owner == name:
            store.groups.pop((owner, group))
    store.applications.pop(name, None)
    store.tags.pop(store.arn("application", name), None)
    return {}


def tag(data):
    """TagResource, and the tags of a Create call."""
    store.tags.setdefault(_resource(data), {}).update({t["Key"]: t.get("Value", "") for t in data.get("Tags") or []})
    return {}


def untag(data):
    """UntagResource."""
    for key in data.get("TagKeys") or []:
        store.tags.get(_resource(data), {}).pop(key, None)
    return {}


def list_tags(data):
    """ListTagsForResource."""
    return {"Tags": [{"Key": k, "Value": v} for k, v in store.tags.get(_resource(data), {}).items()]}


def _resource(data):
    """The ARN of an application or group that exists."""
    arn = data.get("ResourceArn")
    if not arn:
        raise Refused("ResourceArnRequired", "ResourceArn is missing")
    parts = arn.split(":", 6)
    if len(parts) < 7 or parts[2] != "codedeploy":
        raise Refused("InvalidArn", f"The ARN is not valid: {arn}")
    kind, name = parts[5], parts[6]
    if kind == "application":
        store.application(name)
    elif kind == "deploymentgroup":
        store.group(*name.split("/", 1))
    else:
        raise Refused("ArnNotSupported", f"Only applications and deployment groups have tags: {arn}")
    return arn
