"""ECR keeps what is pushed: layers, manifests, and a link to download each layer.

AWS: ECR API Reference, InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload, BatchCheckLayerAvailability, PutImage
(LayersNotFoundException, ImageAlreadyExistsException) and GetDownloadUrlForLayer (a pre-signed URL that needs no
further credentials). ministack stores nothing for these calls and links to a host that does not exist.
"""
import base64
import json
import os
import secrets
import time

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import ecr, lambda_svc as L
from perch_local import oci

LINK_LASTS = 3600
_links = {}             # token -> (account, region, repository, digest, expiry)


def _missing_repository(data):
    name = data.get("repositoryName", "")
    if name in ecr._repositories:
        return None
    return error_response_json("RepositoryNotFoundException", f"The repository with name '{name}' does not exist", 400)


def initiate_layer_upload(original):
    """Open a buffer for the parts."""
    def initiate(data):
        response = original(data)
        if response[0] == 200:
            ecr._uploads.setdefault(data["repositoryName"], {})[json.loads(response[2])["uploadId"]] = bytearray()
        return response
    return initiate


def upload_layer_part(data):
    """Append one part; parts come in order."""
    missing = _missing_repository(data)
    if missing:
        return missing
    repository, upload = data["repositoryName"], data.get("uploadId", "")
    buffer = (ecr._uploads.get(repository) or {}).get(upload)
    if buffer is None:
        return error_response_json("UploadNotFoundException", f"The upload '{upload}' does not exist", 400)
    if int(data.get("partFirstByte", -1)) != len(buffer):
        return error_response_json("InvalidLayerPartException", f"part must begin at byte {len(buffer)}", 400)
    buffer += base64.b64decode(data.get("layerPartBlob", ""))
    return ecr.json_response({"registryId": get_account_id(), "repositoryName": repository, "uploadId": upload,
                              "lastByteReceived": len(buffer) - 1})


def complete_layer_upload(data):
    """Keep the layer if it has the digest its sender named."""
    missing = _missing_repository(data)
    if missing:
        return missing
    repository, upload = data["repositoryName"], data.get("uploadId", "")
    buffer = (ecr._uploads.get(repository) or {}).pop(upload, None)
    if buffer is None:
        return error_response_json("UploadNotFoundException", f"The upload '{upload}' does not exist", 400)
    blob = bytes(buffer)
    digest, wanted = oci.digest(blob), (data.get("layerDigests") or [None])[0]
    if not blob:
        return error_response_json("EmptyUploadException", "The upload has no layer parts", 400)
    if digest != wanted:
        return error_response_json("InvalidLayerException", f"The layer digest is {digest}, not {wanted}", 400)
    blobs = ecr._layer_blobs.setdefault(repository, {})
    if digest in blobs:
        return error_response_json("LayerAlreadyExistsException", f"The layer '{digest}' already exists", 400)
    blobs[digest] = blob
    return ecr.json_response({"registryId": get_account_id(), "repositoryName": repository, "uploadId": upload,
                              "layerDigest": digest})


def layer_availability(data):
    """Say which layers are already here."""
    missing = _missing_repository(data)
    if missing:
        return missing
    blobs = ecr._layer_blobs.get(data["repositoryName"]) or {}
    rows = [{"layerDigest": d, "layerAvailability": "AVAILABLE" if d in blobs else "UNAVAILABLE",
             "layerSize": len(blobs.get(d, b""))} for d in data.get("layerDigests", [])]
    return ecr.json_response({"layers": rows, "failures": []})


def put_image(original):
    """PERCH_ECR_STRICT=0 accepts a manifest whose layers were never pushed (event tests without image content)."""
    def put(data):
        repository, manifest = data.get("repositoryName", ""), data.get("imageManifest", "")
        blobs = ecr._layer_blobs.get(repository) or {}
        if repository in ecr._repositories and os.environ.get("PERCH_ECR_STRICT", "1") == "1":
            try:
                parsed = json.loads(manifest)
            except ValueError:
                return error_response_json("InvalidParameterException", "imageManifest is not JSON", 400)
            needed = [d["digest"] for d in parsed.get("layers", []) + ([parsed["config"]] if "config" in parsed else [])]
            lost = [d for d in needed if d not in blobs]
            if lost:
                return error_response_json("LayersNotFoundException", f"Layers not found in repository: {', '.join(lost)}", 400)
            digest, tag = oci.digest(manifest.encode()), data.get("imageTag")
            same = [i for i in ecr._images.get(repository, []) if i["imageDigest"] == digest]
            if same and (not tag or tag in same[0].get("imageTags", [])):
                return error_response_json("ImageAlreadyExistsException",
                                           f"Image with digest '{digest}' and tag '{tag}' already exists", 400)
        response = original(data)
        if response[0] == 200:
            raw = manifest.encode()
            ecr._manifest_blobs.setdefault(repository, {})[oci.digest(raw)] = raw
        return response
    return put


def download_url(data):
    """A link that works for an hour; it is served where ministack serves function code, without credentials."""
    missing = _missing_repository(data)
    if missing:
        return missing
    repository, digest, now = data["repositoryName"], data.get("layerDigest", ""), time.time()
    if digest not in (ecr._layer_blobs.get(repository) or {}):
        return error_response_json("LayersNotFoundException", f"The layer '{digest}' was not found", 400)
    for token in [t for t, link in _links.items() if link[4] < now]:
        _links.pop(token, None)
    token = "layer-" + secrets.token_hex(16)
    _links[token] = get_account_id(), get_region(), repository, digest, now + LINK_LASTS
    url = L._presigned_code_url(token)
    return ecr.json_response({"downloadUrl": url, "layerDigest": digest})


def _serve(original):
    def serve(name, account_id=None, region=None):
        link = _links.get(name)
        if not link or link[4] < time.time():
            return original(name, account_id, region)
        blob = (ecr._layer_blobs.get_scoped(*link[:3]) or {}).get(link[3])
        return (200, {"Content-Type": "application/octet-stream"}, bytes(blob)) if blob else (404, {}, b"gone")
    return serve


def install():
    """Patch the ECR of the running ministack."""
    ecr._initiate_layer_upload = initiate_layer_upload(ecr._initiate_layer_upload)
    ecr._upload_layer_part, ecr._complete_layer_upload = upload_layer_part, complete_layer_upload
    ecr._batch_check_layer_availability, ecr._put_image = layer_availability, put_image(ecr._put_image)
    ecr._get_download_url_for_layer, L.serve_function_code = download_url, _serve(L.serve_function_code)
