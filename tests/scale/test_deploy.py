"""Manifests, compose file and Dockerfiles pass their linters, and keep the promises that no linter knows."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from mlflow.server.security_utils import is_allowed_host_header

from serving.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
MANIFESTS = [DEPLOY / "kubernetes" / name for name in ("endpoint.yaml", "mlflow.yaml", "network.yaml")]
SECRETS = {
    "S3_KEY": "k", "S3_SECRET": "s", "POSTGRES_PASSWORD": "p", "ENDPOINT_S3_SECRET": "e",
    "ENDPOINT_POSTGRES_PASSWORD": "q", "API_KEYS": "open-sesame",
}  # fmt: skip
LINT = (
    "{extends: default, rules: {line-length: {max: 120}, document-start: disable, "
    "comments: {min-spaces-from-content: 2}, braces: {max-spaces-inside: 1}}}"
)


def passes(*command: object, **environment: str) -> None:
    if not (BIN / str(command[0])).exists():
        pytest.skip(f"{command[0]} is not installed: it comes with the extra dev-scale")
    done = subprocess.run(
        [str(BIN / str(command[0])), *map(str, command[1:])],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def documents() -> list[dict[str, Any]]:
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text()) if one]


def test_yaml_is_tidy() -> None:
    passes("yamllint", "--strict", "-d", LINT, DEPLOY, *(ROOT / "pipelines").glob("*.yaml"))


@pytest.mark.parametrize("path", sorted((DEPLOY / "docker").glob("*.Dockerfile")), ids=lambda path: path.stem)
def test_dockerfiles_pass_hadolint(path: Path) -> None:
    passes("hadolint", "--failure-threshold", "style", path)


def test_the_compose_file_is_valid_and_needs_its_secrets() -> None:
    compose = DEPLOY / "compose" / "compose.yaml"
    passes("docker-compose", "-f", compose, "config", "--quiet", **SECRETS)
    done = subprocess.run(
        [str(BIN / "docker-compose"), "-f", str(compose), "config", "--quiet"],
        env={"PATH": os.environ["PATH"], "HOME": "/tmp"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "required variable" in done.stderr


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifests_fit_the_schemas_of_kubernetes(path: Path) -> None:
    passes("kubernetes-validate", "--strict", path)


def test_containers_run_without_privileges_on_a_read_only_root() -> None:
    deployments = [one for one in documents() if one["kind"] == "Deployment"]
    assert len(deployments) == 2
    for deployment in deployments:
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= set(container["resources"])
            assert {"readinessProbe", "livenessProbe"} <= set(container)
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    images = {name: str(one.get("image", "")) for name, one in services.items()}
    ours = [
        one
        for name, one in services.items()
        if images[name].startswith("nextplay-pipeline:") or "build" in one
    ]
    assert len(ours) == 5
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] and one["user"] == "10001" for one in ours)


def test_secrets_are_referred_to_never_written() -> None:
    for deployment in (one for one in documents() if one["kind"] == "Deployment"):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            for variable in (one for one in container["env"] if one["name"] != "NEXTPLAY_API_KEYS_FILE"):
                secret = any(word in variable["name"] for word in ("SECRET", "KEY", "EVENTS", "STORE_URI"))
                assert ("valueFrom" in variable) == secret, variable["name"]
    values = yaml.safe_load((DEPLOY / "kubernetes" / "dagster-values.yaml").read_text())
    assert "postgresqlPassword" not in values["postgresql"]
    (code,) = values["dagster-user-deployments"]["deployments"]
    assert not any("DATABASE" in one["name"] for one in code["env"])


def test_mlflow_answers_to_the_name_by_which_it_is_called() -> None:
    values = yaml.safe_load((DEPLOY / "kubernetes" / "dagster-values.yaml").read_text())
    (code,) = values["dagster-user-deployments"]["deployments"]
    (uri,) = (one["value"] for one in code["env"] if one["name"] == "NEXTPLAY_MLFLOW_URI")
    (mlflow,) = (
        one for one in documents() if one["kind"] == "Deployment" and "mlflow" in one["metadata"]["name"]
    )
    (container,) = mlflow["spec"]["template"]["spec"]["containers"]
    allowed = [word.removeprefix("--allowed-hosts=") for word in container["command"] if "allowed" in word]
    assert is_allowed_host_header(allowed, urlsplit(uri).netloc)  # the host as clients send it


def containers(name: str) -> list[dict[str, Any]]:
    (found,) = (one for one in documents() if one["kind"] == "Deployment" and one["metadata"]["name"] == name)
    return list(found["spec"]["template"]["spec"]["containers"])


def names_of_secrets(container: dict[str, Any]) -> set[str]:
    return {one["valueFrom"]["secretKeyRef"]["name"] for one in container["env"] if "valueFrom" in one}


def test_the_endpoint_has_keys_names_and_accounts_of_its_own() -> None:
    (endpoint,), (mlflow,) = containers("nextplay-endpoint"), containers("nextplay-mlflow")
    assert names_of_secrets(endpoint) == {"nextplay-endpoint"} != names_of_secrets(mlflow)
    values = {one["name"]: one.get("value") for one in endpoint["env"]}
    (keys,) = (one for one in endpoint["volumeMounts"] if one["name"] == "keys")
    assert values["NEXTPLAY_API_KEYS_FILE"].startswith(f"{keys['mountPath']}/") and keys["readOnly"]
    environment = {name: value for name, value in values.items() if value and name.startswith("NEXTPLAY_")}
    known = {f"NEXTPLAY_{name}".upper() for name in Settings.model_fields}
    assert set(environment) <= known and Settings(hosts=values["NEXTPLAY_HOSTS"])
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    ours, shared = services["endpoint"]["environment"], services["daemon"]["environment"]
    assert ours["NEXTPLAY_API_KEYS"] == "${API_KEYS:?}" and ours["NEXTPLAY_HOSTS"]
    assert ours["AWS_SECRET_ACCESS_KEY"] != shared["AWS_SECRET_ACCESS_KEY"]
    assert "postgresql://endpoint:" in ours["NEXTPLAY_EVENTS"]
    commands = [str(one.get("command", "")) for one in services.values()]
    assert not [command for command in commands if "PASSWORD" in command or "${" in command]  # argv is public
    example = (DEPLOY / "compose" / "example.env").read_text()
    assert all(f"\n{name}=\n" in example for name in SECRETS)


def test_policies_name_pods_that_are_there() -> None:
    policies = [one for one in documents() if one["kind"] == "NetworkPolicy"]
    pods = [
        one["spec"]["template"]["metadata"]["labels"] for one in documents() if one["kind"] == "Deployment"
    ]
    assert len(policies) == len(pods)
    for policy in policies:
        chosen = policy["spec"]["podSelector"]["matchLabels"].items()
        assert sum(chosen <= labels.items() for labels in pods) == 1
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}


def test_runs_that_hang_end_and_logs_outlive_their_pods() -> None:
    values = yaml.safe_load((DEPLOY / "kubernetes" / "dagster-values.yaml").read_text())
    monitoring = values["dagsterDaemon"]["runMonitoring"]
    plain = yaml.safe_load((ROOT / "pipelines" / "dagster.yaml").read_text())["run_monitoring"]
    assert monitoring["maxRuntimeSeconds"] == plain["max_runtime_seconds"]
    job = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["jobSpecConfig"]
    assert job["activeDeadlineSeconds"] > monitoring["maxRuntimeSeconds"]
    assert values["computeLogManager"]["type"] == "S3ComputeLogManager"
    image = (DEPLOY / "docker" / "pipeline.Dockerfile").read_text()
    lock = (DEPLOY / "docker" / "pipeline.lock").read_text()
    assert "DAGSTER_FILES=/state/" in image and "dagster-k8s==" in lock and "dagster-aws==" in lock


def test_the_home_of_the_pipeline_is_writable_in_a_new_volume() -> None:
    image = (DEPLOY / "docker" / "pipeline.Dockerfile").read_text()
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    for service in ("daemon", "webserver"):
        assert compose[service]["volumes"] == ["state:/state"]
        assert f"install --directory --owner={compose[service]['user']} /state" in image


def test_the_endpoint_survives_a_drain_and_grows() -> None:
    ours = [one for one in documents() if one["metadata"]["name"] == "nextplay-endpoint"]
    by_kind = {one["kind"]: one.get("spec", {}) for one in ours}
    assert by_kind["HorizontalPodAutoscaler"]["minReplicas"] >= 2
    assert by_kind["PodDisruptionBudget"]["maxUnavailable"] == 1
    labels = by_kind["Deployment"]["template"]["metadata"]["labels"]
    for selector in (by_kind["PodDisruptionBudget"]["selector"], by_kind["Deployment"]["selector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert by_kind["Service"]["selector"].items() <= labels.items()


def test_the_images_hold_what_they_copy() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for dockerfile in (DEPLOY / "docker").glob("*.Dockerfile"):
        for line in dockerfile.read_text().splitlines():
            if line.startswith("COPY ") and "--from" not in line:
                for source in line.split()[1:-1]:
                    assert (ROOT / source).exists(), source
                    assert f"!{source.split('/')[0]}" in ignored, source


def test_every_requirement_of_the_endpoint_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    wanted = (DEPLOY / "docker" / "endpoint-requirements.txt").read_text().split()
    assert {name.split("[")[0] for name in wanted} <= pinned


def test_dagsters_two_configurations_differ_in_the_storage_alone() -> None:
    plain = yaml.safe_load((ROOT / "pipelines" / "dagster.yaml").read_text())
    shared = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert shared.pop("storage")["postgres"]["postgres_url"] == {"env": "NEXTPLAY_DAGSTER_DATABASE"}
    for files in ("local_artifact_storage", "compute_logs"):
        assert shared.pop(files)["config"]["base_dir"] == {"env": "DAGSTER_FILES"}
    assert plain == shared
