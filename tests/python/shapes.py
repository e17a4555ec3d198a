"""Holds the DCAT and PROV documents of a store against the shapes of this platform.

usage: shapes.py STORE
"""

import pathlib
import sys

import pyshacl
import rdflib
from common import REPOSITORY, documents, end, iri, offline


def main(store):
    offline()
    shapes = rdflib.Graph()
    for path in sorted((REPOSITORY / "tests/integration/shapes").glob("*.ttl")):
        shapes.parse(path)
    defects, versions = [], 0
    for folder in sorted({path.parent for path in documents(store, "catalog/*/*/dcat.jsonld")}):
        graph = rdflib.Graph()
        for path in [folder / "dcat.jsonld", folder / "prov/bundle.jsonld"]:
            graph.parse(path, format="json-ld", publicID=iri(store, path))
        conforms, _, text = pyshacl.validate(graph, shacl_graph=shapes)
        versions += 1
        if not conforms:
            defects.append(f"{folder}: {text}")
    end(defects, versions=versions)


main(pathlib.Path(sys.argv[1]))
