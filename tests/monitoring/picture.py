"""The dashboard drawn without Grafana: every panel's queries, asked of Prometheus, as a page and a picture of it."""

import asyncio
import html
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import httpx

from tests.monitoring.rules import DASHBOARD

_POINTS = 300
_COLUMN, _ROW = 66, 26
# The room for the axis' numbers.
_LEFT = 62
_COLOURS = (
    "#73bf69",
    "#5794f2",
    "#ff9830",
    "#f2495c",
    "#b877d9",
    "#fade2a",
    "#8ab8ff",
    "#96d98d",
    "#ffa6b0",
    "#ca95e5",
)
_SHADES = {"green": "#37872d", "orange": "#c4620c", "red": "#c4162a", "blue": "#1f60c4"}
_BINARY = 1024
Series = tuple[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when, in Unix seconds."""

    start: float
    end: float

    @property
    def step(self) -> float:
        return max(1.0, (self.end - self.start) / _POINTS)


async def draw(url: str, start: float, end: float, folder: Path) -> None:
    """Write dashboard.html, and dashboard.png where there is a chromium, into an absolute folder."""
    board = json.loads(DASHBOARD.read_text())
    span = Span(start, end)
    async with httpx.AsyncClient(trust_env=False, base_url=url, timeout=30) as client:
        panels = [_panel(one, [await _ask(client, target, span) for target in one.get("targets", [])], span)
                  for one in board["panels"]]  # fmt: skip
    last = board["panels"][-1]["gridPos"]
    height = (last["y"] + last["h"]) * _ROW + 20
    page = folder / "dashboard.html"
    style = (
        "body{background:#111217;color:#ccccdc;font:12px sans-serif;margin:0}"
        "div{position:absolute;background:#181b1f;overflow:hidden;border-radius:3px}b{font-weight:600}.k{margin-right:9px}"
    )
    page.write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{''.join(panels)}")
    if chromium := shutil.which("chromium"):
        await _shoot(chromium, page, folder / "dashboard.png", height)


async def _shoot(chromium: str, page: Path, picture: Path, height: int) -> None:
    process = await asyncio.create_subprocess_exec(
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
        f"--window-size={24 * _COLUMN + 10},{height}", f"--screenshot={picture}", f"file://{page}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await asyncio.wait_for(process.wait(), 60)


async def _ask(client: httpx.AsyncClient, target: dict[str, Any], span: Span) -> list[Series]:
    """Return the series of one query, as Grafana asks it with every namespace, each with its legend."""
    interval = f"{max(10, math.ceil(span.step * 2))}s"
    query = target["expr"].replace("$__rate_interval", interval).replace("$namespace", ".*")
    asked = {"query": query, "start": span.start, "end": span.end, "step": span.step}
    answer = (await client.get("/api/v1/query_range", params=asked)).json()
    if answer["status"] != "success":
        raise ValueError(f"{query}: {answer['error']}")
    legend = target["legendFormat"].replace("{{", "${").replace("}}", "}")
    return [
        (
            Template(legend).safe_substitute(one["metric"]),
            [(at, float(value)) for at, value in one["values"] if math.isfinite(float(value))],
        )
        for one in answer["data"]["result"]
    ]


def _panel(panel: dict[str, Any], answers: Sequence[list[Series]], span: Span) -> str:
    place = panel["gridPos"]
    width, height = place["w"] * _COLUMN - 6, place["h"] * _ROW - 6
    series = [one for answer in answers for one in answer if one[1]]
    colour = ""
    if panel["type"] == "row":
        inside = f"<b style='font-size:14px'>&#9662; {html.escape(panel['title'])}</b>"
    elif panel["type"] == "stat":
        colour, inside = _stat(panel, series)
    else:
        inside = _graph(panel, series, width, height - 44, span)
    at = f"left:{place['x'] * _COLUMN + 4}px;top:{place['y'] * _ROW + 4}px;width:{width}px;height:{height}px;{colour}"
    title = "" if panel["type"] == "row" else f"<b>&nbsp;{html.escape(panel['title'])}</b><br>"
    return f"<div style='{at}'>{title}{inside}</div>"


def _stat(panel: dict[str, Any], series: Sequence[Series]) -> tuple[str, str]:
    defaults = panel["fieldConfig"]["defaults"]
    if not series:
        return "background:#444", "<p style='font-size:24px;text-align:center'>no data</p>"
    value = series[0][1][-1][1]
    reached = [step for step in defaults["thresholds"]["steps"] if step["value"] is None or value >= step["value"]]
    mapped = [one["options"].get(f"{value:g}") for one in defaults["mappings"]]
    text = mapped[0]["text"] if mapped and mapped[0] else told(value, defaults["unit"])
    shade = _SHADES[reached[-1]["color"]]
    return f"background:{shade}", f"<p style='font-size:30px;text-align:center;margin:14px'>{text}</p>"


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where in a graph a moment and a value are, in pixels."""

    span: Span
    width: int
    height: int
    top: float

    def x(self, at: float) -> float:
        return _LEFT + (at - self.span.start) / (self.span.end - self.span.start) * (self.width - _LEFT - 6)

    def y(self, value: float) -> float:
        return self.height - 4 - min(value, self.top) / self.top * (self.height - 12)

    def level(self, value: float, style: str) -> str:
        return f"<line x1={_LEFT} x2={self.width} y1={self.y(value):.0f} y2={self.y(value):.0f} {style} />"

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, filled: bool) -> str:
        """Draw a line, with a gap where nothing was told for long."""
        pieces: list[list[str]] = []
        before = -math.inf
        for at, value in points:
            if at - before > 4 * self.span.step:
                pieces.append([])
            pieces[-1].append(f"{self.x(at):.1f} {self.y(value):.1f}")
            before = at
        path = "".join(f"M{'L'.join(piece)}" for piece in pieces)
        drawn = f"<path d='{path}' fill=none stroke='{colour}' stroke-width=1.5 />"
        if not filled:
            return drawn
        down = self.y(0)
        area = "".join(f"M{'L'.join(one)}L{one[-1].split()[0]} {down}L{one[0].split()[0]} {down}Z" for one in pieces)
        return f"<path d='{area}' fill='{colour}' stroke=none />" + drawn


def _graph(panel: dict[str, Any], series: Sequence[Series], width: int, height: int, span: Span) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    if not series:
        return "<p style='color:#888;text-align:center'>no data</p>"
    stacks = defaults["custom"]["stacking"]["mode"] == "normal"
    if stacks:
        series = _stacked(series)
    top = defaults.get("max") or max(value for _, points in series for _, value in points) * 1.1 or 1.0
    frame = _Frame(span, width, height, top)
    coloured = [(_COLOURS[number % len(_COLOURS)], *one) for number, one in enumerate(series)]
    # The highest first: those below are drawn over it.
    lines = [frame.line(points, colour, filled=stacks) for colour, _, points in reversed(coloured)]
    legend = "".join(
        f"<span class=k style='color:{colour}'>&#9644; {html.escape(name)}</span>" for colour, name, _ in coloured
    )
    axes = _axes(frame, defaults)
    return f"<svg width={width} height={height}>{''.join([*axes, *lines])}</svg><br>&nbsp;{legend}"


def _axes(frame: _Frame, defaults: dict[str, Any]) -> list[str]:
    drawn = [
        frame.level(level, "stroke='#2c3235'")
        + f"<text x={_LEFT - 5} y={frame.y(level) + 4:.0f} text-anchor=end fill='#9fa7b3' font-size=10>"
        f"{told(level, defaults['unit'])}</text>"
        for level in (0, frame.top / 2, frame.top)
    ]
    return drawn + [
        frame.level(step["value"], f"stroke='{_SHADES[step['color']]}' stroke-dasharray='6 4' stroke-width=2")
        for step in defaults["thresholds"]["steps"][1:]
        if step["value"] <= frame.top
    ]


def _stacked(series: Sequence[Series]) -> list[Series]:
    """Return each with those before it added."""
    below: dict[float, float] = {}
    stacked = []
    for name, points in series:
        for at, value in points:
            below[at] = below.get(at, 0.0) + value
        stacked.append((name, [(at, below[at]) for at, _ in points]))
    return stacked


def told(value: float, unit: str) -> str:
    """Write a value with its unit as short as a panel's axis has room for."""
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "bytes":
            power = min(3, int(math.log(value, _BINARY))) if value >= 1 else 0
            return f"{value / _BINARY**power:.3g} {('B', 'KiB', 'MiB', 'GiB')[power]}"
        case "s" if value < 1:
            return f"{value * 1000:.3g} ms"
        case "s":
            return f"{value:.3g} s"
        case "cps" | "reqps":
            return f"{value:.3g} /s"
    return f"{value:.3g}"
