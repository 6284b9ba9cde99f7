"""The files that put clinfonce on Slurm, Kubernetes and into an image."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from clinfonce.cli import _parser

RAYJOB = Path("rayjob.yaml")
# A copy of KubeRay's ray-operator/config/crd/bases/ray.io_rayjobs.yaml, for all fields.
CRD = os.environ.get("KUBERAY_RAYJOB_CRD")


def without_unions(schema):
    """The schema with what Kubernetes adds to it left out, and unknown fields refused."""
    if isinstance(schema, list):
        return [without_unions(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {k: without_unions(v) for k, v in schema.items() if not k.startswith("x-kubernetes")}
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    if "anyOf" in schema and "type" not in schema:  # an integer or a text
        schema.pop("pattern", None)
    return schema


@pytest.mark.skipif(CRD is None, reason="KUBERAY_RAYJOB_CRD names no copy of KubeRay's schema")
def test_the_rayjob_is_what_kuberay_takes():
    jsonschema = pytest.importorskip("jsonschema")
    crd = yaml.safe_load(Path(CRD).read_text())
    version = next(v for v in crd["spec"]["versions"] if v["name"] == "v1")
    schema = without_unions(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {}
    jsonschema.validate(yaml.safe_load(RAYJOB.read_text()), schema)


def test_the_rayjob_runs_the_command_with_the_ray_of_the_image():
    job = yaml.safe_load(RAYJOB.read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    words = job["spec"]["entrypoint"].split()
    assert words[0] == "clinfonce"
    assert _parser().parse_args(words[1:]).address == "auto"
    cluster = job["spec"]["rayClusterSpec"]
    pins = Path("constraints.txt").read_text()
    assert f"ray=={cluster['rayVersion']}\n" in pins
    assert cluster["authOptions"] == {"mode": "token"}
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        assert container["resources"]["requests"] == container["resources"]["limits"]


def test_the_image_has_what_installing_needs():
    lines = Path("Dockerfile").read_text().splitlines()
    sources = [w for line in lines if line.startswith("COPY") for w in line.split()[1:-1]]
    ignored = Path(".dockerignore").read_text().splitlines()
    for source in sources:
        assert Path(source).exists()
        assert f"!{source}" in ignored
    needed = named_sources()
    assert needed <= set(sources)


def named_sources():
    """What pyproject.toml names of this folder."""
    text = Path("pyproject.toml").read_text()
    named = re.findall(r'"(README\.md|LICENSE|sweeps)[/"*]', text)
    return {*named, "clinfonce", "pyproject.toml"}


def test_the_batch_file_is_a_script_with_its_options_first():
    script = Path("slurm.sbatch")
    subprocess.run(["bash", "-n", script], check=True)
    options = re.findall(r"^#SBATCH (--[a-z-]+)", script.read_text(), re.MULTILINE)
    assert {"--nodes", "--no-kill", "--requeue", "--signal"} <= set(options)
    body = script.read_text().split("\nset -uo pipefail")
    assert "#SBATCH" not in body[1]
    command = re.search(r"^clinfonce (sweep) .*(--address)", body[1], re.MULTILINE)
    assert command is not None
