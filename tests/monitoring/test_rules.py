"""The alerts: what they go by exists, they fire when they should, and the operator's resource says the same."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from tests.monitoring.queries import TARGET_LABELS, known_series, read_query
from tests.monitoring.rules import PROMETHEUS, RESOURCE, RULES, alerts, quicker, read_groups, resource_text
from tests.monitoring.scenes import SCENES

_PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(_PROMTOOL is None, reason="promtool (Debian: prometheus) is not on the PATH")


def promtool(*arguments: str, folder: Path = PROMETHEUS) -> None:
    done = subprocess.run(  # noqa: S603 -- the command is ours
        [str(_PROMTOOL), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", alerts())
def test_an_alert_goes_by_what_there_is(name: str) -> None:
    query, known = read_query(alerts()[name]["expr"]), known_series()
    assert query.series
    assert query.series <= known.keys()
    assert all(label in known[series] | TARGET_LABELS for series, label in query.matched)
    assert query.grouped <= TARGET_LABELS.union(*(known[series] for series in query.series))


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"


def test_names_are_given_once() -> None:
    assert len(alerts()) == sum(len(group["rules"]) for group in read_groups())


def test_a_query_that_names_something_else_would_be_noticed() -> None:
    query = read_query('max by (planet) (ringback_polls_total{colour="red", outcome=~"a{2}"}) > ringback_moons')
    assert query.series == {"ringback_polls_total", "ringback_moons"}
    assert query.matched == {("ringback_polls_total", "colour"), ("ringback_polls_total", "outcome")}
    assert query.grouped == {"planet"}
    assert "ringback_moons" not in known_series()
    assert known_series()["ringback_polls_total"] == {"outcome"}


def test_a_histogram_is_known_by_its_parts() -> None:
    shown = {
        sample.name for family in REGISTRY.collect() for sample in family.samples if sample.name.endswith("_bucket")
    }
    assert shown
    assert shown <= known_series().keys()


def test_the_operators_resource_has_the_same_groups() -> None:
    resource = yaml.safe_load(RESOURCE.read_text())
    assert resource["kind"] == "PrometheusRule"
    assert resource["spec"]["groups"] == read_groups()
    # Word for word, comments too: `python -m tests.monitoring.renew` writes it.
    assert RESOURCE.read_text() == resource_text()


def test_quicker_rules_differ_in_times_alone() -> None:
    groups = {rule["alert"]: rule for group in quicker(30)["groups"] for rule in group["rules"]}
    assert groups["RingbackRedisEvicting"]["expr"] == alerts()["RingbackRedisEvicting"]["expr"].replace("10m", "20s")
    assert groups["RingbackUpstreamDown"]["expr"] == alerts()["RingbackUpstreamDown"]["expr"].replace("5m", "10s")
    assert groups["RingbackPollsLate"] == alerts()["RingbackPollsLate"] | {"for": "4s"}


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", RULES.name)
    promtool("check", "config", "prometheus.yaml")


@needs_promtool
def test_alerts_fire_when_they_should_and_are_silent_otherwise() -> None:
    promtool("test", "rules", "rules_test.yaml")


def test_each_alert_fires_in_a_scene() -> None:
    assert {name for name in alerts() if name in (PROMETHEUS / "rules_test.yaml").read_text()} == alerts().keys()


def test_the_plain_configuration_scrapes_the_jobs_that_the_rules_go_by() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    jobs = {job["job_name"] for job in configuration["scrape_configs"]}
    assert jobs == {"ringback-api", "ringback-poll", "ringback-deliver"}
    assert configuration["rule_files"] == [RULES.name]


def test_each_alert_is_provoked_in_one_scene() -> None:
    assert sorted(name for scene in SCENES for name in scene.alerts) == sorted(alerts())
