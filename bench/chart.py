"""One SVG per workload: a bar for each measurement, its figure, and how it stands to the first bar. No libraries, no script."""
from html import escape

WIDTH, LABEL, BAR, ROW, TOP = 760, 270, 300, 22, 54
STYLE = """<style>
 text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-size: 15px; font-weight: 600 } .dim { fill: #59636e }
 .own { fill: #0969da } .peer { fill: #8c959f } .ground { fill: #ffffff }
 @media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .dim { fill: #9198a1 } .own { fill: #4493f8 } .peer { fill: #656c76 } .ground { fill: #0d1117 } }
</style>"""


def ratio(value: float, first: float) -> str:
    if not first:
        return ""
    times = value / first
    return f"{times:.2f}x" if times < 10 else f"{times:,.0f}x"


def svg(title: str, unit: str, bars: list[tuple[str, float, bool]]) -> str:
    """`bars` are (label, value, whether it is FastQueue's); a bar's length is its value, ratios are to the first bar."""
    top = max((value for _, value, _ in bars), default=0) or 1
    height = TOP + ROW * len(bars) + 12
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">',
             f"<title>{escape(title)}</title>", STYLE, f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
             f'<text class="title" x="12" y="24">{escape(title)}</text>',
             f'<text class="dim" x="12" y="42">{escape(unit)}; ratios to the first bar</text>']
    for index, (label, value, own) in enumerate(bars):
        y = TOP + index * ROW
        length = max(1.0, BAR * value / top)
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
        lines += [f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>',
                  f'<rect class="{"own" if own else "peer"}" x="{LABEL}" y="{y + 3}" width="{length:.1f}" height="{ROW - 8}" rx="2"/>',
                  f'<text x="{LABEL + length + 6:.1f}" y="{y + 14}">{shown} <tspan class="dim">{ratio(value, bars[0][1])}</tspan></text>']
    return "\n".join([*lines, "</svg>"]) + "\n"
