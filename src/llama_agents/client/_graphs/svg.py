"""A picture as an SVG document: shapes and text only, without ids, styles, scripts or links.

Ids and styles would apply to the whole page that the picture is placed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from .._text import cut
from .colors import COLORS, INK, PAPER, color_of
from .layout import Layout, Path, Rect, Size, place
from .lettering import width, wrap
from .picture import Arrow, Kind, Node, Picture

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_NAME: Final = 13.0  # font sizes
_SMALL: Final = 11.0
_LINE: Final = 16.0  # height of a line of a name
_SMALL_LINE: Final = 14.0
_COLUMNS: Final = 26  # of a line of a name
_LOOP: Final = 24.0  # width of an arrow from a node to itself


def write_svg(picture: Picture) -> str:
    """Return the document.

    Raises:
        ValueError: The picture is too entangled.
    """
    loops = {arrow.source: arrow for arrow in picture.arrows if arrow.source == arrow.target}
    arrows = [arrow for arrow in picture.arrows if arrow.source != arrow.target]
    sizes = [_node_size(number, node, arrows, loops) for number, node in enumerate(picture.nodes)]
    layout = place(
        sizes,
        [(arrow.source, arrow.target) for arrow in arrows],
        [_label_size(arrow) for arrow in arrows],
    )
    return "\n".join(_document(picture, layout, arrows, loops)) + "\n"


def _document(
    picture: Picture, layout: Layout, arrows: Sequence[Arrow], loops: dict[int, Arrow]
) -> Iterator[str]:
    name = picture.name or "Workflow"
    size = f"{layout.width:g} {layout.height:g}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label={quoteattr(name)} '
        f'width="{layout.width:g}" height="{layout.height:g}" viewBox="0 0 {size}" '
        f'font-family="{_FONT}" font-size="{_NAME:g}" text-anchor="middle">'
    )
    yield f"<title>{escape(name)}</title>"
    yield f"<desc>{escape(picture.description)}</desc>"
    yield f'<rect width="{layout.width:g}" height="{layout.height:g}" rx="8" fill="{PAPER}"/>'
    for arrow, path in zip(arrows, layout.paths, strict=True):
        yield from _arrow(arrow, path)
    for number, (node, rect) in enumerate(zip(picture.nodes, layout.nodes, strict=True)):
        yield from _node(node, rect)
        if number in loops:
            yield from _loop(loops[number], rect)
    for arrow, path in zip(arrows, layout.paths, strict=True):
        yield from _label(arrow, path.label)
    yield "</svg>"


def _lines(node: Node) -> tuple[str, ...]:
    return wrap(node.name, _COLUMNS, 3)


def _node_size(number: int, node: Node, arrows: Sequence[Arrow], loops: dict[int, Arrow]) -> Size:
    if node.kind is Kind.LOOSE:
        return Size(12, 12, has_ports=False)
    is_bold = node.kind is Kind.EVENT
    texts = [width(line, _NAME, is_bold=is_bold) for line in _lines(node)]
    texts += [width(line, _SMALL) for line in _details(node)]
    ends = max(
        sum(number == arrow.source for arrow in arrows),
        sum(number == arrow.target for arrow in arrows),
    )
    beside = 0.0
    if number in loops:
        beside = _LOOP + _label_size(loops[number]).width + 6
    height = _LINE * len(_lines(node)) + _SMALL_LINE * len(_details(node)) + 14
    if node.kind in (Kind.START, Kind.STOP):
        height = 24
    if number in loops:
        height = max(height, _label_size(loops[number]).height, 40)
    return Size(round(max(*texts, 14.0 * ends, 28.0) + 20, 1), height, round(beside, 1))


def _details(node: Node) -> list[str]:
    lines = [cut(line, 44) for line in node.lines]
    return [*lines, node.progress.text] if node.progress.text else lines


def _label_lines(arrow: Arrow) -> list[str]:
    return [line for label in arrow.labels for line in wrap(label, _COLUMNS, 2) if line]


def _label_size(arrow: Arrow) -> Size:
    lines = _label_lines(arrow)
    if not lines:
        return Size(0, 0, has_ports=False)
    widest = max(width(line, _SMALL, is_bold=arrow.is_taken) for line in lines)
    return Size(round(widest + 8, 1), _SMALL_LINE * len(lines) + 4, has_ports=False)


def _curve(path: Path) -> str:
    points = path.points
    text = [f"M{_at(points[0])}L{_at(points[1])}"]
    for (x0, y0), (x1, y1), end in zip(points[1::2], points[2::2], points[3::2], strict=False):
        middle = (y0 + y1) / 2
        text.append(f"C{_at((x0, middle))} {_at((x1, middle))} {_at((x1, y1))}L{_at(end)}")
    return "".join(text)


def _at(point: tuple[float, float]) -> str:
    return f"{round(point[0], 1):g},{round(point[1], 1):g}"


def _arrow(arrow: Arrow, path: Path) -> Iterator[str]:
    yield f'<path d="{_curve(path)}" fill="none" {_stroke(arrow)}/>'
    x, y = path.points[-1]
    down = -1 if path.is_back else 1
    head = ((x, y), (x - 4.5, y - 9 * down), (x + 4.5, y - 9 * down))
    yield f'<polygon points="{" ".join(map(_at, head))}" fill="{INK}"/>'


def _stroke(arrow: Arrow) -> str:
    dashes = ' stroke-dasharray="6 4"' if arrow.is_dashed else ""
    return f'stroke="{INK}" stroke-width="{3 if arrow.is_taken else 1.2}"{dashes}'


def _loop(arrow: Arrow, rect: Rect) -> Iterator[str]:
    x, y = rect.x + rect.width / 2, rect.y
    far = x + _LOOP * 1.2
    path = f"M{_at((x, y - 10))}C{_at((far, y - 18))} {_at((far, y + 18))} {_at((x + 8, y + 10))}"
    yield f'<path d="{path}" fill="none" {_stroke(arrow)}/>'
    head = ((x, y + 10), (x + 9, y + 5.5), (x + 9, y + 14.5))
    yield f'<polygon points="{" ".join(map(_at, head))}" fill="{INK}"/>'
    size = _label_size(arrow)
    yield from _label(arrow, Rect(x + _LOOP + size.width / 2, y, size.width, size.height))


def _label(arrow: Arrow, rect: Rect) -> Iterator[str]:
    lines = _label_lines(arrow)
    if lines:
        full = ", ".join(arrow.labels)
        yield f"<g>{_title(full, lines)}{_rect(rect, PAPER, radius=3)}"
        top = rect.y - rect.height / 2 + 2
        weight = ' font-weight="bold"' if arrow.is_taken else ""
        for number, line in enumerate(lines):
            y = top + _SMALL_LINE * (number + 0.78)
            yield _text(line, rect.x, y, INK, f' font-size="{_SMALL:g}"{weight}')
        yield "</g>"


def _title(full: str, lines: Sequence[str]) -> str:
    return f"<title>{escape(full)}</title>" if full != " ".join(lines) else ""


def _rect(rect: Rect, fill: str, more: str = "", radius: float = 6) -> str:
    x, y = round(rect.x - rect.width / 2, 1), round(rect.y - rect.height / 2, 1)
    size = f'width="{rect.width:g}" height="{rect.height:g}" rx="{radius:g}"'
    return f'<rect x="{x:g}" y="{y:g}" {size} fill="{fill}"{more}/>'


def _text(line: str, x: float, y: float, color: str, more: str = "") -> str:
    return (
        f'<text x="{round(x, 1):g}" y="{round(y, 1):g}" fill="{color}"{more}>{escape(line)}</text>'
    )


def _node(node: Node, rect: Rect) -> Iterator[str]:
    color = COLORS[color_of(node)]
    outline = f' stroke="{color.stroke}" stroke-width="{color.width:g}"'
    if color.dashes:
        outline += f' stroke-dasharray="{color.dashes}"'
    lines, details = _lines(node), _details(node)
    about = node.name + (f": {node.description}" if node.description else "")
    yield f"<g>{_title(about, lines)}"
    round_ = node.kind in (Kind.START, Kind.STOP, Kind.PERSON, Kind.LOOSE)
    yield _rect(rect, color.fill, outline, rect.height / 2 if round_ else 6)
    y = rect.y - (_LINE * len(lines) + _SMALL_LINE * len(details)) / 2
    weight = ' font-weight="bold"' if node.kind is Kind.EVENT else ""
    for line in filter(None, lines):
        yield _text(line, rect.x, y + _LINE * 0.77, color.text, weight)
        y += _LINE
    for line in details:
        yield _text(line, rect.x, y + _SMALL_LINE * 0.77, color.text, f' font-size="{_SMALL:g}"')
        y += _SMALL_LINE
    yield "</g>"
