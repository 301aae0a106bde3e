"""ro-crate-metadata.json: RO-Crate 1.1 with the profiles Workflow RO-Crate 1.0 and Workflow Run Crate 0.5.

https://w3id.org/ro/crate/1.1, https://w3id.org/ro/wfrun/workflow/0.5. The run of the workflow is one action, and so is
each of its stages, which name the software that they recorded. JSON-LD is written by hand: it is a list of entities
that refer to each other by "@id".
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import yaml

from mdstride.crate.actions import MAIN, Entity, actions, moment, programs, refer
from mdstride.crate.contents import Contents, Packed
from mdstride.crate.records import Recorded
from mdstride.errors import InputError

NAME = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
WORKFLOW_PROFILE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"

FORMATS = {
    ".h5": "application/x-hdf5",
    ".h5md": "application/x-hdf5",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".gz": "application/gzip",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".html": "text/html",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".cff": "application/yaml",
    ".toml": "application/toml",
    ".py": "text/x-python",
    ".css": "text/css",
    ".js": "text/javascript",
    ".safetensors": "application/octet-stream",
}
"""Media types by suffix; anything else is plain text."""


def crate_metadata(
    contents: Contents, packed: Iterable[Packed], recorded: Mapping[str, Recorded], citation: Path
) -> Entity:
    """The whole document. `citation` is CITATION.cff: authors, licence and what to cite."""
    cff = read_citation(citation)
    licence = {"@id": f"https://spdx.org/licenses/{cff['license']}", "@type": "CreativeWork", "name": cff["license"]}
    authors, cited = _authors(cff), _cited(cff["message"])
    files = [_file(one) for one in packed]
    folders = _folders(files)
    done = actions(contents, recorded)
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"mdstride run {contents.name}",
        "description": f"{cff['title']}. Compounds, reference trajectories, data set, trained models and scores of one "
        f"run, with the workflow that made them. {cff['message']}",
        "datePublished": done[0]["endTime"],
        "license": refer([licence["@id"]]),
        "author": _refer(authors),
        "citation": _refer(cited),
        "conformsTo": refer(PROFILES),
        "mainEntity": refer([MAIN]),
        "mentions": _refer(done),
        "hasPart": _refer(one for one in [*folders, *files] if _parent(one["@id"]) == "./"),
    }
    descriptor = {
        "@id": NAME,
        "@type": "CreativeWork",
        "about": refer(["./"]),
        "conformsTo": refer([SPECIFICATION, WORKFLOW_PROFILE]),
    }
    main = next(one for one in files if one["@id"] == MAIN)
    main |= {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "mdstride",
        "programmingLanguage": refer([LANGUAGE]),
        "license": refer([licence["@id"]]),
        "author": _refer(authors),
        "version": cff["version"],
    }
    graph = [descriptor, root, *folders, *files, *done, *programs(recorded.values()), licence, *authors, *cited]
    graph += [_profile(*one) for one in PROFILES.items()] + [_language()]
    # sha256 is a term of schema.org that came after the context of RO-Crate 1.1
    return {"@context": [f"{SPECIFICATION}/context", {"sha256": "https://schema.org/sha256"}], "@graph": graph}


def read_citation(path: Path) -> dict[str, Any]:
    """CITATION.cff. Raises InputError where something is missing."""
    try:
        cff = yaml.safe_load(path.read_text(encoding="utf-8"))
        missing = [key for key in ("title", "message", "version", "license", "authors") if not cff.get(key)]
    except (yaml.YAMLError, AttributeError) as error:
        raise InputError(f"{path}: not a citation file: {' '.join(str(error).split())}") from error
    if missing:
        raise InputError(f"{path}: no `{missing[0]}`, which a crate has to state; add it")
    return dict(cff)


def _refer(entities: Iterable[Entity]) -> Entity | list[Entity]:
    return refer(entity["@id"] for entity in entities)


def _file(packed: Packed) -> Entity:
    item = packed.item
    entity: Entity = {
        "@id": quote(item.path),
        "@type": "File",
        "name": item.path,
        "contentSize": str(packed.size),
        "encodingFormat": FORMATS.get(item.source.suffix, "text/plain"),
        "sha256": packed.sha256,
        "dateModified": moment(item.source.stat().st_mtime),
    }
    return entity | ({"description": item.about} if item.about else {})


def _parent(path: str) -> str:
    """The folder that a file or folder ("x/y/") lies in, "./" for the crate itself."""
    folder = PurePosixPath(path).parent.as_posix()
    return "./" if folder == "." else f"{folder}/"


def _folders(files: list[Entity]) -> list[Entity]:
    """A Dataset for each folder, with what lies directly in it."""
    parts: dict[str, list[str]] = {}
    for one in files:
        inner = one["@id"]
        while (folder := _parent(inner)) != "./":
            known = folder in parts
            parts.setdefault(folder, []).append(inner)
            if known:
                break
            inner = folder
    return [
        {"@id": folder, "@type": "Dataset", "name": folder, "hasPart": refer(inside)}
        for folder, inside in sorted(parts.items())
    ]


def _authors(cff: Mapping[str, Any]) -> list[Entity]:
    found = []
    for number, author in enumerate(cff["authors"], 1):
        person = "family-names" in author
        name = " ".join(author[key] for key in ("given-names", "family-names") if key in author)
        entity = {
            "@id": author.get("orcid") or author.get("website") or f"#author-{number}",
            "@type": "Person" if person else "Organization",
            "name": name if person else author["name"],
        }
        found.append(entity)
    return found


def _cited(message: str) -> list[Entity]:
    """The works whose DOI or arXiv number the message to those who cite names."""
    links = [f"https://doi.org/{doi}" for doi in re.findall(r"\b(10\.\d{4,}/[^\s),;]+)", message)]
    links += [f"https://arxiv.org/abs/{number}" for number in re.findall(r"\barXiv[: ](\d{4}\.\d{4,5})", message)]
    return [{"@id": link, "@type": "ScholarlyArticle", "name": link} for link in links]


def _profile(address: str, about: tuple[str, str]) -> Entity:
    return {"@id": address, "@type": "CreativeWork", "name": about[0], "version": about[1]}


def _language() -> Entity:
    address = "https://snakemake.readthedocs.io"
    return {
        "@id": LANGUAGE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": address,
        "url": address,
    }
