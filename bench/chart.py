"""The chart of the README: what each way to check a token adds to a request. SVG, light or dark as the reader's page."""

from html import escape

from figures import Figure, Result, plain

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 780, 312, 96, 74, 30, 16
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .quiet { fill: #59636e; font-size: 12px; }
  .value { font-variant-numeric: tabular-nums; }
  .ours { fill: #0969da; }
  .other { fill: #afb8c1; }
  .spread { stroke: #1f2328; stroke-opacity: 0.55; }
  .axis { stroke: #d1d9e0; }
  .strong { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .ours { fill: #4493f8; }
    .other { fill: #656c76; }
    .spread { stroke: #f0f6fc; }
    .axis { stroke: #3d444d; }
  }
"""


def bars(result: Result) -> list[tuple[str, Figure, bool]]:
    """Label, figure, and whether it is ours."""
    seen = "seen before" if result.cache else "repeated"
    wanted = [
        (f"this module, HS256, token {seen}", "HS256 repeated", "ours HS256"),
        (f"this module, EdDSA, token {seen}", "EdDSA repeated", "ours EdDSA"),
        ("this module, HS256, every token new", "HS256 new", "ours HS256"),
        ("this module, EdDSA, every token new", "EdDSA new", "ours EdDSA"),
        ("njs, HS256", "HS256 new", "njs, js_set"),
        ("FastAPI dependency (PyJWT), HS256", "FastAPI alone, repeated", "FastAPI, dependency"),
        ("auth_request to FastAPI, HS256", "check by FastAPI, repeated", "auth_request"),
    ]
    return [
        (label, result.added(group, side), side.startswith("ours")) for label, group, side in wanted if result.has(group, side)
    ]


def draw(result: Result) -> str:
    rows = bars(result)
    longest = max(figure.high for _, figure, _ in rows)
    scale = (WIDTH - LEFT - RIGHT) / longest
    height = TOP + ROW * len(rows) + 44
    bare = plain(result.cpu("HS256 new", "bare").value / 1e3)
    facts = result.facts
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">',
        f"<style>{STYLE}</style>",
        '<text id="title" class="title" x="16" y="28">CPU that checking a token adds to a request, in microseconds</text>',
        f'<text class="quiet" x="16" y="49">A static file costs nginx {bare} without a check; the FastAPI dependency is taken beside its own route. Less is better.</text>',
    ]
    for number, (label, figure, is_ours) in enumerate(rows):
        parts += row(TOP + ROW * number, label, figure, is_ours, scale)
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{TOP - 4}" y2="{TOP + ROW * len(rows)}"/>')
    source = f"Medians and quartiles of {facts['rounds']} rounds on {facts['cpu']}, nginx {facts['versions']['nginx']}, {facts['date'][:10]}; {facts['command']}"
    parts.append(f'<text class="quiet" x="16" y="{height - 16}">{escape(source)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def row(y: float, label: str, figure: Figure, is_ours: bool, scale: float) -> list[str]:
    middle, strong = y + ROW / 2, " strong" if is_ours else ""
    width = max(2.0, figure.value * scale)
    low, high = (LEFT + max(0.0, end) * scale for end in (figure.low, figure.high))
    after = max(LEFT + width, high) + 8
    return [
        f'<text class="label{strong}" x="{LEFT - 12}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(label)}</text>',
        f'<rect class="{"ours" if is_ours else "other"}" x="{LEFT}" y="{middle - BAR / 2:.1f}" width="{width:.1f}" height="{BAR}" rx="2"/>',
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>',
        f'<text class="value{strong}" x="{after:.1f}" y="{middle + 4.5:.1f}">{plain(figure.value / 1e3)}</text>',
    ]
