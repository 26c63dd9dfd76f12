"""The expressions of the shipped Grafana dashboard, as Grafana would send them to Prometheus."""
import json

from harness import ROOT

PATH = ROOT / "deploy" / "grafana" / "dashboards" / "fastqueue.json"


def model() -> dict:
    return json.loads(PATH.read_text())


def expressions() -> list[str]:
    """With the dashboard's variables filled in."""
    return [target["expr"].replace("$__rate_interval", "1m").replace("$task", ".*")
            for panel in model()["panels"] for target in panel["targets"]]
