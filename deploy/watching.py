"""Looks at the dashboard, at every name of a metric, and at where alerts send whoever reads them.

usage: watching.py <file>     writes the dashboard's queries into <file>, as rules for promtool to read
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DASHBOARD = HERE / "grafana" / "jwt-user-scope.json"
# Grafana's own variables, and something in their place that PromQL understands.
GRAFANA = {"$__rate_interval": "5m", "$__range": "1h"}
METRIC = re.compile(r"\bjwt_user_scope_\w+_(?:total|seconds)\b")


def known_metrics():
    sources = (HERE.parent / "src").rglob("*.rs")
    return {name for source in sources for name in METRIC.findall(source.read_text())}


def check_names():
    files = [DASHBOARD, *(HERE / "prometheus").glob("*.yml")]
    used = {(name, file.name) for file in files for name in re.findall(r"\bjwt_user_scope_\w+", file.read_text())}
    known = known_metrics()
    for name, file in sorted(used):
        # The name of the handler, in prose.
        if name not in known | {"jwt_user_scope_status"}:
            yield f"{file}: the module has no metric {name}"
    shown = {name for name, file in used if file == DASHBOARD.name}
    for name in sorted(known - shown):
        yield f"{DASHBOARD.name} does not show {name}"


def check_alerts():
    rules = (HERE / "prometheus" / "jwt-user-scope.rules.yml").read_text()
    document = (HERE.parent / "docs" / "operating.md").read_text()
    alerts = re.findall(r"- alert: (\w+)", rules)
    if re.findall(r"runbook: docs/operating\.md#(\w+)", rules) != [alert.lower() for alert in alerts]:
        yield "an alert has no runbook, or that of another"
    if re.findall(r"^### (JwtUserScope\w+)$", document, re.M) != alerts:
        yield "docs/operating.md does not explain these alerts, in this order: " + ", ".join(alerts)
    tests = (HERE / "prometheus" / "jwt-user-scope.test.yml").read_text()
    for alert in alerts:
        if not re.search(rf"alertname: {alert}\n +exp_alerts", tests):
            yield f"no test sees {alert} fire"


def check_panels(dashboard):
    panels = dashboard["panels"]
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    identities = [panel["id"] for panel in panels]
    if len(set(identities)) != len(identities):
        yield "two panels have one id"
    taken = {}
    for panel in panels:
        title, place = panel["title"], panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f'panel "{title}" is beyond the grid'
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if taken.setdefault((x, y), title) != title:
                    yield f'panels "{title}" and "{taken[x, y]}" overlap'
                    return
        if panel["type"] != "row" and not panel["targets"]:
            yield f'panel "{title}" asks for nothing'
    for name in set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(dashboard))) - variables:
        yield f"variable {name} is not defined"


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, value in GRAFANA.items():
                query = query.replace(variable, value)
            yield query


def rules(dashboard):
    # JSON is YAML.
    found = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries(dashboard))]
    return json.dumps({"groups": [{"name": "dashboard", "rules": found}]}, indent=1)


def main():
    dashboard = json.loads(DASHBOARD.read_text())
    wrong = [*check_names(), *check_alerts(), *check_panels(dashboard)]
    for line in wrong:
        print(line)
    Path(sys.argv[1]).write_text(rules(dashboard))
    if wrong:
        sys.exit(1)
    print(f"{DASHBOARD.name} shows all {len(known_metrics())} metrics, and each alert is tested and explained")


main()
