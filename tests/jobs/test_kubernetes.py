"""KubeRay and Kubernetes accept jobs/rayjob.yaml, and it agrees with the Dockerfile and the pinned versions."""

from __future__ import annotations

import copy
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "jobs" / "rayjob.yaml"
Manifest = dict[str, Any]


def object_of(required: list[str], **properties: Any) -> dict[str, Any]:
    """Schema of an object that refuses unknown keys, as the API server does for custom resources."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


COUNT, TEXT, POD = {"type": "integer", "minimum": 0}, {"type": "string"}, {"type": "object"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
# Fields of ray.io/v1 as KubeRay 1.6 publishes them; pods are checked by the schema of Kubernetes itself.
GROUP = {"rayStartParams": TEXTS, "template": POD, "serviceType": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}}
WORKERS = {"groupName": TEXT, "replicas": COUNT, "minReplicas": COUNT, "maxReplicas": COUNT, "numOfHosts": COUNT}
CLUSTER = object_of(
    ["headGroupSpec"],
    rayVersion=TEXT,
    authOptions=object_of([], mode={"enum": ["disabled", "token"]}, secretName=TEXT),
    enableInTreeAutoscaling={"type": "boolean"},
    headGroupSpec=object_of(["template"], **GROUP),
    workerGroupSpecs={"type": "array", "items": object_of(["groupName", "template"], **WORKERS, **GROUP)},
)
RAY_JOB = object_of(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=object_of(["name"], name={"type": "string", "pattern": "^[a-z0-9-]{1,47}$"}, namespace=TEXT, labels=TEXTS),
    spec=object_of(
        [],
        entrypoint=TEXT,
        shutdownAfterJobFinishes={"type": "boolean"},
        ttlSecondsAfterFinished=COUNT,
        backoffLimit=COUNT,
        activeDeadlineSeconds=COUNT,
        runtimeEnvYAML=TEXT,
        metadata=TEXTS,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        rayClusterSpec=CLUSTER,
    ),
)


@pytest.fixture
def manifest() -> Manifest:
    return yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))


def pods(manifest: Manifest) -> list[Manifest]:
    cluster = manifest["spec"]["rayClusterSpec"]
    return [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_kuberay_accepts_the_job_and_refuses_it_with_a_misspelt_key(manifest: Manifest) -> None:
    jsonschema.validate(manifest, RAY_JOB)
    for path in (["spec"], ["spec", "rayClusterSpec"], ["spec", "rayClusterSpec", "headGroupSpec"]):
        misspelt = copy.deepcopy(manifest)
        place = misspelt
        for key in path:
            place = place[key]
        place["nonsense"] = {}
        with pytest.raises(jsonschema.ValidationError, match="nonsense"):
            jsonschema.validate(misspelt, RAY_JOB)


def test_kubernetes_accepts_its_pods(manifest: Manifest) -> None:
    found = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": pod["spec"]} for pod in pods(manifest)
    ]
    for pod in found:
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    found[0]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagee"):
        kubernetes_validate.validate(found[0], kubernetes_validate.latest_version(), strict=True)


def test_every_pod_requires_a_token_and_mounts_the_store(manifest: Manifest) -> None:
    assert manifest["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    for pod in pods(manifest):
        (container,) = pod["spec"]["containers"]
        store = {entry["name"]: entry.get("value") for entry in container["env"]}["RADSWEEP_STORE"]
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounted[store] in volumes
        assert set(mounted.values()) == volumes


def test_versions_and_files_agree_with_the_image_and_the_constraints(manifest: Manifest) -> None:
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert manifest["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"FROM rayproject/ray:{pinned[1]}-py311" in dockerfile
    copied = [words for line in dockerfile.splitlines() if (words := line.split()) and words[0] == "COPY"]
    sources = [source for words in copied for source in words[2:-1]]
    kept = (ROOT / ".dockerignore").read_text().split()
    assert [source for source in sources if not (ROOT / source).exists() or f"!{source}" not in kept] == []
    (workdir,) = [line.split()[1] for line in dockerfile.splitlines() if line.startswith("WORKDIR")]
    assert manifest["spec"]["metadata"] == {"experiment": "quickstart"}, "the name that `radsweep list` looks for"
    command, verb, experiment = shlex.split(manifest["spec"]["entrypoint"])
    assert (command, verb) == ("radsweep", "sweep")
    assert (ROOT / Path(experiment).relative_to(workdir)).is_file()
