"""Every file of deploy/ by the tool or the schema that will read it."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml
from backends import PROGRAMS, Collector, Prometheus
from dashboard import expressions, model
from harness import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES_CLUSTER = sorted((DEPLOY / "kubernetes-cluster").glob("*.yaml"))
TOKENS = {"FASTQUEUE_TOKEN": "token-of-the-test", "GRAFANA_PASSWORD": "password-of-the-test"}


def run(*words, expect: int = 0, cwd=None, **variables: str) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd,
                          env={**os.environ, **variables}, timeout=120)
    assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def documents(path: pathlib.Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


def resources(kind: str, paths: list = KUBERNETES) -> dict[str, dict]:
    return {one["metadata"]["name"]: one for path in paths for one in documents(path) if one["kind"] == kind}


# --- Collector, Tempo, Prometheus

@pytest.mark.parametrize("path", sorted((DEPLOY / "collector").glob("*.yaml")), ids=lambda path: path.name)
def test_collector_accepts_its_configuration(path):
    run(PROGRAMS / "otelcol", "validate", "--config", path, TRACES_BACKEND="tempo:4317")


def test_collector_refuses_the_exporter_that_the_guide_once_named(tmp_path):
    """The reason for `debug` in ours."""
    text = (DEPLOY / "collector" / "config.yaml").read_text()
    (tmp_path / "old.yaml").write_text(text.replace("  debug:\n    verbosity: detailed", "  logging:\n    loglevel: debug")
                                       .replace(", debug]", ", logging]").replace("[debug]", "[logging]"))
    assert "logging" in run(PROGRAMS / "otelcol", "validate", "--config", tmp_path / "old.yaml", expect=1)


def test_collector_starts_with_the_shipped_configuration(folder):
    """Ports and all, but moved to ones that are free here."""
    class Shipped(Collector):
        def configuration(self):
            text = (DEPLOY / "collector" / "production.yaml").read_text()
            for shipped, name in ((4317, "grpc"), (4318, "http"), (8889, "prometheus"), (13133, "health")):
                text = text.replace(f"0.0.0.0:{shipped}", f"127.0.0.1:{self.ports[name]}")
            return {**yaml.safe_load(text.replace("${env:TRACES_BACKEND}", "127.0.0.1:1"))}
    with Shipped(folder) as collector:
        assert collector.process.poll() is None


def test_prometheus_accepts_its_configuration_and_rules():
    run(PROGRAMS / "promtool", "check", "config", "prometheus.yml", cwd=DEPLOY / "prometheus")
    assert "SUCCESS" in run(PROGRAMS / "promtool", "check", "rules", "--lint=all", "--lint-fatal", "alerts.yml",
                            cwd=DEPLOY / "prometheus")


def test_alert_rules_pass_their_unit_tests():
    assert "SUCCESS" in run(PROGRAMS / "promtool", "test", "rules", "alerts.test.yml", cwd=DEPLOY / "prometheus")
    alerts = {rule["alert"] for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
              for rule in group["rules"]}
    tested = {one["alertname"] for test in yaml.safe_load((DEPLOY / "prometheus" / "alerts.test.yml").read_text())["tests"]
              for one in test["alert_rule_test"]}
    assert tested == alerts


def test_tempo_configuration_has_only_keys_that_tempo_knows():
    """Tempo cannot be had here; its keys are held against the part of its documentation that is used."""
    known = {"server": {"http_listen_port": int},
             "distributor": {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": str}, "http": {"endpoint": str}}}}},
             "compactor": {"compaction": {"block_retention": str}},
             "storage": {"trace": {"backend": str, "local": {"path": str}, "wal": {"path": str}}}}

    def compare(found, expected, at):
        if isinstance(expected, type):
            assert isinstance(found, expected), f"{at}: {found!r}"
            return
        assert set(found) == set(expected), at
        for key in expected:
            compare(found[key], expected[key], f"{at}.{key}")
    configuration = yaml.safe_load((DEPLOY / "tempo" / "tempo.yaml").read_text())
    compare(configuration, known, "tempo")
    protocols = configuration["distributor"]["receivers"]["otlp"]["protocols"]
    assert [protocols[kind]["endpoint"] for kind in ("grpc", "http")] == ["0.0.0.0:4317", "0.0.0.0:4318"]


# --- Grafana

def test_dashboard_is_a_grafana_model():
    dashboard = model()
    assert dashboard["uid"] == "fastqueue" and dashboard["title"] and dashboard["schemaVersion"] >= 36
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        assert panel["type"] in ("timeseries", "stat") and panel["title"] and panel["targets"]
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels)))
    assert used - {"__rate_interval"} <= set(variables)


def test_every_expression_of_the_dashboard_is_promql(folder):
    with Prometheus(folder, {}) as prometheus:
        for text in expressions():
            prometheus.query(text)


def test_grafana_provisioning_fits_the_compose_files():
    provisioning = DEPLOY / "grafana" / "provisioning"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "fastqueue.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    sources = {}
    for path in sorted((provisioning / "datasources").glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        assert document["apiVersion"] == 1
        sources.update({one["uid"]: one for one in document["datasources"]})
    assert sources["prometheus"]["url"] == "http://prometheus:9090" and sources["tempo"]["url"] == "http://tempo:3200"
    mounted = {volume["target"] for volume in load_compose(DEPLOY / "compose" / "prometheus.yaml")["services"]["grafana"]["volumes"]}
    assert provider["options"]["path"] in mounted


# --- compose

def load_compose(path: pathlib.Path) -> dict:
    """The project as `docker compose config` would have it."""
    return json.loads(run(PROGRAMS / "parsers", "compose", path, **TOKENS).splitlines()[-1])[0]


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_compose_file_is_accepted_and_complete(path):
    services = load_compose(path)["services"]
    assert {"control-plane", "worker", "app"} <= set(services)
    for name, service in services.items():
        for volume in service.get("volumes") or []:
            if volume["type"] == "bind":
                assert pathlib.Path(volume["source"]).exists(), f"{name}: {volume['source']}"
        assert not service["image"].endswith(":latest") or service["image"].startswith("fastqueue"), name
    for name in ("control-plane", "worker", "app"):
        environment = services[name]["environment"]
        assert environment["FASTQUEUE_TOKEN"] == TOKENS["FASTQUEUE_TOKEN"]
        endpoint = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        if endpoint:
            assert environment["FASTQUEUE_TELEMETRY_ENABLED"] == "true"
            host, port = re.fullmatch(r"http://([\w-]+):(\d+)", endpoint).groups()
            assert host in services and port == "4317"
        build = services[name]["build"]
        assert (pathlib.Path(build["context"]) / build["dockerfile"]).exists()
    for name in ("worker", "app"):
        planes = sorted(one for one in services if one.startswith("control-plane"))
        assert services[name]["environment"]["FASTQUEUE_CONTROL_PLANE_ADDRESS"] == ",".join(f"tcp://{one}:5555" for one in planes)


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_compose_file_asks_for_its_token(path):
    """No password of everybody's: without one of one's own nothing starts."""
    refusal = run(PROGRAMS / "parsers", "compose", path, expect=1, **{**TOKENS, "FASTQUEUE_TOKEN": ""})
    assert "fastqueue token new" in refusal


def test_production_compose_file_has_three_workers():
    assert load_compose(DEPLOY / "compose" / "production.yaml")["services"]["worker"]["deploy"]["replicas"] == 3


def test_published_ports_are_for_this_machine_only():
    for path in COMPOSE:
        for name, service in load_compose(path)["services"].items():
            for port in service.get("ports") or []:
                assert port["host_ip"] == "127.0.0.1", f"{path.name}: {name}"


def test_compose_cluster_fits_together():
    services = load_compose(DEPLOY / "compose" / "cluster.yaml")["services"]
    planes = sorted(name for name in services if name.startswith("control-plane"))
    servers = sorted(name for name in services if name.startswith("nats"))
    assert (len(planes), len(servers)) == (2, 3)
    hosts = ",".join(f"{name}:4222" for name in servers)
    for name in planes:
        environment = services[name]["environment"]
        assert environment["FASTQUEUE_JOURNAL"] == f"nats://{hosts}/fastqueue"
        assert environment["FASTQUEUE_ADVERTISE"] == f"{name}:5555"
    ports = [port["published"] for name in planes for port in services[name]["ports"]]
    assert len(set(ports)) == len(ports) == 4
    configuration = (DEPLOY / "nats" / "nats.conf").read_text()
    assert all(f"nats://{name}:6222" in configuration for name in servers)


# --- images

def test_dockerfiles_parse_and_have_what_an_image_needs():
    image, app = json.loads(run(PROGRAMS / "parsers", "dockerfile", DEPLOY / "Dockerfile",
                                DEPLOY / "app" / "Dockerfile").splitlines()[-1])
    assert [stage["name"] for stage in image] == ["build", ""]
    last = [command.split(" ", 1)[0] for command in image[-1]["commands"]]
    for word in ("USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
        assert word in last
    assert app[0]["base"] == "fastqueue:latest"
    # Root builds, somebody else runs; and it is reachable from other containers, which it says in its log.
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER 10001", text, re.M) and "FASTQUEUE_PROTECTED_MODE=off" in text


def test_dockerfiles_pass_a_linter():
    hadolint = pathlib.Path(sys.executable).parent / "hadolint"
    # Debian's packages cannot be pinned for longer than their next update; the tag of the image above is the user's own.
    run(hadolint, "--ignore", "DL3008", "--ignore", "DL3007", "--failure-threshold", "warning", DEPLOY / "Dockerfile",
        DEPLOY / "app" / "Dockerfile")


# --- Kubernetes

@pytest.mark.parametrize("path", KUBERNETES + KUBERNETES_CLUSTER, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_kubernetes_manifests_follow_the_schema(path):
    import kubernetes_validate
    for document in documents(path):
        for version in ("1.29", "1.34"):
            kubernetes_validate.validate(document, version, strict=True)


def test_kubernetes_manifests_fit_together():
    control_plane, worker = resources("StatefulSet")["fastqueue-control-plane"], resources("Deployment")["fastqueue-worker"]
    services = resources("Service")
    assert worker["spec"]["replicas"] == 3
    for workload in (control_plane, worker):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
        [container] = workload["spec"]["template"]["spec"]["containers"]
        variables = {one["name"]: one for one in container["env"]}
        assert variables["FASTQUEUE_TOKEN"]["valueFrom"]["secretKeyRef"]["name"] in resources("Secret")
        assert container["envFrom"][0]["configMapRef"]["name"] in resources("ConfigMap")
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    [container] = control_plane["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert services["fastqueue-control-plane"]["spec"]["selector"].items() <= \
        control_plane["spec"]["template"]["metadata"]["labels"].items()
    [container] = worker["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["FASTQUEUE_CONTROL_PLANE_ADDRESS"] == "tcp://fastqueue-control-plane:5555"
    assert variables["FASTQUEUE_WORKER_ID"] == "$(POD_NAME)"
    endpoint = resources("ConfigMap")["fastqueue-telemetry-config"]["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert endpoint == "http://otel-collector:4317" and "otel-collector" in services
    embedded = resources("ConfigMap")["otel-collector-config"]["data"]["config.yaml"]
    assert embedded == (DEPLOY / "collector" / "config.yaml").read_text()


def test_kubernetes_control_plane_refuses_an_empty_token():
    """What the manifests set, run here: without a token there is a refusal that says what to do."""
    [container] = resources("StatefulSet")["fastqueue-control-plane"]["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one.get("value", "") for one in container["env"]}
    assert variables["FASTQUEUE_TOKEN"] == ""
    from harness import PROGRAM
    variables = {**variables, "FASTQUEUE_DATA_DIR": "none"}
    assert "set credentials" in run(PROGRAM, *container["args"][1:], expect=78, **variables)


def test_kubernetes_cluster_fits_together():
    planes = resources("StatefulSet", KUBERNETES_CLUSTER)["fastqueue-control-plane"]
    servers = resources("StatefulSet", KUBERNETES_CLUSTER)["fastqueue-nats"]
    worker = resources("Deployment", KUBERNETES_CLUSTER)["fastqueue-worker"]
    services, budgets = resources("Service", KUBERNETES_CLUSTER), resources("PodDisruptionBudget", KUBERNETES_CLUSTER)
    assert (planes["spec"]["replicas"], servers["spec"]["replicas"]) == (2, 3)
    for workload in (planes, servers, worker):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
        budget = budgets[workload["metadata"]["name"]]["spec"]
        assert budget["maxUnavailable"] == 1 and budget["selector"]["matchLabels"].items() <= labels.items()
    for workload in (planes, servers):
        service = services[workload["spec"]["serviceName"]]
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["selector"].items() <= workload["spec"]["template"]["metadata"]["labels"].items()
        assert workload["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]

    def names(workload, port):
        name, count = workload["metadata"]["name"], workload["spec"]["replicas"]
        return [f"{name}-{index}.{workload['spec']['serviceName']}:{port}" for index in range(count)]
    [container] = planes["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["FASTQUEUE_JOURNAL"] == f"nats://{','.join(names(servers, 4222))}/fastqueue"
    # A standby is never active, and must not hold up an update.
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    [container] = worker["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["FASTQUEUE_CONTROL_PLANE_ADDRESS"] == ",".join(f"tcp://{name}" for name in names(planes, 5555))
    configuration = resources("ConfigMap", KUBERNETES_CLUSTER)["fastqueue-nats"]["data"]["nats.conf"]
    assert all(f"nats://{name}" in configuration for name in names(servers, 6222))
