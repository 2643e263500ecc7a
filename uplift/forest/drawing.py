"""One tree as a picture: SVG text, made of boxes and lines and nothing else."""

from collections.abc import Sequence
from html import escape

from uplift.forest.document import Names, NodeWords, describe_tree
from uplift.forest.forest import CausalForest

MOST_DEPTH = 4

_WIDTH, _GAP_X, _GAP_Y, _LINE, _PAD = 260, 18, 56, 17, 10
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1d2433}.split{font-weight:600}"
    ".faint{fill:#667085}.box{stroke:#98a2b3;rx:6}.edge{stroke:#98a2b3;fill:none}"
)
_GOOD, _BAD, _WHITE = (186, 226, 200), (246, 200, 196), (255, 255, 255)


def draw_tree(
    forest: CausalForest, number: int, names: Names, *, most_depth: int = MOST_DEPTH
) -> str:
    """An SVG document of one tree, root on top, the child where the condition holds on the left.

    Every node shows its rows, and per arm the expected outcome and the effect. The greener a box,
    the larger its best effect; the redder, the more its best treatment harms.

    Args:
        forest: The forest.
        number: Of the tree, from 0.
        names: What features, arms and categories are called.
        most_depth: Deeper nodes are left out; their last shown ancestor says how many.
    """
    nodes = describe_tree(forest, number, names)
    depth, column = _layout(nodes, most_depth)
    height = _PAD * 2 + _LINE * (2 + len(names.arms))
    n_columns = 1 + max(column.values())
    width = 2 * _GAP_X + n_columns * (_WIDTH + _GAP_X)
    total = 2 * _GAP_X + (1 + max(depth.values())) * (height + _GAP_Y) - _GAP_Y
    strongest = max((abs(max(nodes[node].effects)) for node in depth), default=0.0) or 1.0

    def corner(node: int) -> tuple[float, float]:
        x = _GAP_X + column[node] * (_WIDTH + _GAP_X)
        return x, _GAP_X + depth[node] * (height + _GAP_Y)

    parts = []
    for node in depth:
        x, y = corner(node)
        for child, word in ((nodes[node].then, "yes"), (nodes[node].otherwise, "no")):
            if child in depth:
                parts.append(_edge((x + _WIDTH / 2, y + height), corner(child), word))
    for node in depth:
        hidden = nodes[node].then >= 0 and nodes[node].then not in depth
        lines = _lines(nodes[node], names, _below(nodes, node) if hidden else 0)
        parts.append(_box(corner(node), height, lines, max(nodes[node].effects) / strongest))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:g}" '
        f'height="{total:g}" viewBox="0 0 {width:g} {total:g}">'
        f"<title>Tree {number} of {len(forest.trees)}</title><style>{_STYLE}</style>"
        f"{''.join(parts)}</svg>\n"
    )


def _layout(nodes: Sequence[NodeWords], most_depth: int) -> tuple[dict[int, int], dict[int, float]]:
    """Depth and column of the nodes shown: ends side by side, parents midway over children."""
    depth, column = {0: 0}, dict[int, float]()
    for node, words in enumerate(nodes):  # parents stand before their children
        if node in depth and words.then >= 0 and depth[node] < most_depth:
            depth[words.then] = depth[words.otherwise] = depth[node] + 1

    def place(node: int, taken: int) -> int:
        children = [nodes[node].then, nodes[node].otherwise]
        if children[0] not in depth:
            column[node] = taken
            return taken + 1
        for child in children:
            taken = place(child, taken)
        column[node] = (column[children[0]] + column[children[1]]) / 2.0
        return taken

    place(0, 0)
    return depth, column


def _below(nodes: Sequence[NodeWords], node: int) -> int:
    """How many nodes stand below a node."""
    words = nodes[node]
    if words.then < 0:
        return 0
    return 2 + _below(nodes, words.then) + _below(nodes, words.otherwise)


def _lines(words: NodeWords, names: Names, n_hidden: int) -> list[tuple[str, str]]:
    """Style and text of every line in a box."""
    head = words.condition or "leaf"
    rows = f"n {sum(words.n_rows):,}" + (f", {n_hidden} nodes below" if n_hidden else "")
    lines = [("split" if words.condition else "faint", head), ("faint", rows)]
    effects = ("", *(f" ({effect:+.4g})" for effect in words.effects))
    arms = zip(names.arms, words.n_rows, words.expected_outcome, effects, strict=True)
    return lines + [("", f"{name}: {y:.4g}{effect}, n {n:,}") for name, n, y, effect in arms]


def _box(
    corner: tuple[float, float], height: float, lines: Sequence[tuple[str, str]], strength: float
) -> str:
    x, y = corner
    goal = _GOOD if strength > 0.0 else _BAD
    share = min(abs(strength), 1.0)
    tint = tuple(round(w + share * (g - w)) for w, g in zip(_WHITE, goal, strict=True))
    texts = "".join(
        f'<text class="{style}" x="{x + _PAD:g}" y="{y + _PAD + _LINE * (place + 0.8):g}">'
        f"{escape(_shortened(text))}</text>"
        for place, (style, text) in enumerate(lines)
    )
    return (
        f"<g><title>{escape(lines[0][1])}</title>"
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{height:g}" '
        f'fill="rgb{tint}"/>{texts}</g>'
    )


def _edge(start: tuple[float, float], child: tuple[float, float], word: str) -> str:
    x, y = start
    end_x, end_y = child[0] + _WIDTH / 2, child[1]
    middle = (y + end_y) / 2.0
    return (
        f'<path class="edge" d="M{x:g} {y:g}C{x:g} {middle:g} {end_x:g} {middle:g} '
        f'{end_x:g} {end_y:g}"/>'
        f'<text class="faint" text-anchor="middle" x="{end_x:g}" y="{end_y - 6:g}">{word}</text>'
    )


def _shortened(text: str, most: int = 34) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
