"""Write the table of keys in config/README.md anew: `python config/readme.py`. A test fails when it is out of date.

A key's default and meaning are those of config.yaml, where its comment is the one explanation that there is; type and
bounds are those of the schema. What stands before and after the marks in README.md is written by hand.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "config/README.md"
MARKS = ("<!-- keys: written by config/readme.py -->\n", "<!-- end of keys -->")
LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?: (?P<value>[^#]*?))?(?: *# (?P<meaning>.*))?$")
BY_NAME = {"dataset.splits": "NAME"}
"""Tables whose keys are names that the user chooses, and what the name is called here."""
WORDS = {"string": "text", "boolean": "`true`, `false`", "object": "table"}
SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
NOT_BY_DEFAULT = "only for some methods: [docs/splits.md](../docs/splits.md)"


def main() -> None:
    """Write README.md."""
    text = README.read_text(encoding="utf-8")
    README.write_text(renewed(text), encoding="utf-8")


def renewed(text: str) -> str:
    """The text of README.md with the tables of today."""
    (before, rest), after = text.split(MARKS[0]), text.split(MARKS[1])[1]
    assert MARKS[1] in rest
    return f"{before}{MARKS[0]}\n{tables()}\n{MARKS[1]}{after}"


def tables() -> str:
    """One table for each section, in the order of config.yaml."""
    schema = yaml.safe_load((ROOT / "src/mdstride/config.schema.yaml").read_text(encoding="utf-8"))
    written = dict(keys((ROOT / "config.yaml").read_text(encoding="utf-8")))
    nodes = dict(entries(schema, schema))
    order = list(written)

    def place(key: str) -> int:
        """Where config.yaml has it, or the last of its neighbours."""
        parent = key.rpartition(".")[0]
        return order.index(key) if key in written else max(k for k, one in enumerate(order) if one.startswith(parent))

    sections: dict[str, list[str]] = {}
    for key in sorted(nodes, key=place):
        default, meaning = written.get(key, ("", nodes[key].get("description", NOT_BY_DEFAULT)))
        values = "" if is_table(key, nodes[key]) else kind(nodes[key], schema)
        row = f"| `{key}` | {f'`{default}`' if default else ''} | {values} | {meaning} |".replace("  ", " ")
        section, dot, _ = key.partition(".")
        sections.setdefault(section if dot or is_table(key, nodes[key]) else "", []).append(row)
    head = ["| key | default | values | meaning |", "|---|---|---|---|"]
    parts = []
    for name, rows in sections.items():
        title = f"## `{name}`\n\n{written[name][1][:1].upper()}{written[name][1][1:]}." if name else "## Top level"
        parts.append("\n".join([title, "", *head, *rows[bool(name) :], ""]))
    return "\n".join(parts)


def is_table(key: str, node: dict[str, Any]) -> bool:
    """Whether a key holds keys, not a value."""
    return key in BY_NAME or "properties" in node


def keys(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Dotted key, default as written, and comment of every line of config.yaml."""
    path: list[str] = []
    for line in text.splitlines():
        if not (found := LINE.match(line)):
            continue
        path = [*path[: len(found["indent"]) // 2], found["key"]]
        dotted = ".".join(path)
        for table, name in BY_NAME.items():
            dotted = re.sub(rf"^{re.escape(table)}\.[\w-]+", f"{table}.{name}", dotted)
        yield dotted, ((found["value"] or "").strip(), found["meaning"] or "")


def entries(node: dict[str, Any], schema: dict[str, Any], key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of the schema, tables too, with its part of it."""
    node = resolved(node, schema)
    if key:
        yield key, node
    if key in BY_NAME:
        yield from entries(node["additionalProperties"], schema, f"{key}.{BY_NAME[key]}")
    for name, inner in node.get("properties", {}).items():
        yield from entries(inner, schema, f"{key}.{name}" if key else name)


def resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The node with what it refers to."""
    if "$ref" not in node:
        return node
    target = schema["$defs"][node["$ref"].rpartition("/")[2]]
    items = {"items": target["items"] | node["items"]} if "items" in target and "items" in node else {}
    return target | {name: value for name, value in node.items() if name != "$ref"} | items


def kind(node: dict[str, Any], schema: dict[str, Any]) -> str:
    """Type and bounds in words."""
    node = resolved(node, schema)
    types = node.get("type", [])
    types = types if isinstance(types, list) else [types]
    if "enum" in node:
        text = ", ".join("`null`" if one is None else f"`{one}`" for one in node["enum"])
    elif "array" in types:
        low, high = node.get("minItems"), node.get("maxItems")
        count = f" of {low}" if low and low == high else f" of at least {low}" if low else ""
        text = f"list{count}: {kind(node['items'], schema)}" + ("; none twice" if node.get("uniqueItems") else "")
    else:
        text = " or ".join(WORDS.get(one, one) for one in types if one != "null")
        limits = [f"{sign} {node[name]:.10g}" for name, sign in SIGNS.items() if name in node]
        text += f" {' and '.join(limits)}" if limits else ""
        text += f": {node['description']}" if "pattern" in node and "description" in node else ""
    return text + (" or `null`" if "null" in types else "")


if __name__ == "__main__":
    main()
