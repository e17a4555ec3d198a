"""Reads every JSON-LD document of a store with two libraries that share no code; both must see the
same graph, every name in it must be absolute, and PROV must declare what it speaks of.

usage: linked_data.py STORE
"""

import pathlib
import sys

import pyoxigraph
import rdflib
from common import documents, end, iri, offline
from rdflib.compare import isomorphic

PROV = rdflib.Namespace("http://www.w3.org/ns/prov#")
DCAT = rdflib.Namespace("http://www.w3.org/ns/dcat#")


def by_rdflib(path, base):
    return rdflib.Graph().parse(path, format="json-ld", publicID=base)


def by_oxigraph(path, base):
    quads = pyoxigraph.parse(path=str(path), format=pyoxigraph.RdfFormat.JSON_LD, base_iri=base)
    triples = pyoxigraph.serialize(
        (quad.triple for quad in quads), format=pyoxigraph.RdfFormat.N_TRIPLES
    )
    return rdflib.Graph().parse(data=triples, format="nt")


def defects_of(store, path, graph):
    for term in set(graph.all_nodes()) | set(graph.predicates()):
        if isinstance(term, rdflib.URIRef) and ":" not in term:
            yield f"{path}: {term} is relative"
    for url in graph.objects(None, DCAT.downloadURL):
        key = str(url).removeprefix("kfm://store/")
        if not (store / key).is_file():
            yield f"{path}: {url} is downloaded from nowhere"
    if path.name != "bundle.jsonld":
        return
    declared = set(graph.subjects(rdflib.RDF.type, None))
    for predicate in [PROV.used, PROV.wasDerivedFrom, PROV.wasGeneratedBy, PROV.wasRevisionOf]:
        for thing in set(graph.objects(None, predicate)) - declared:
            yield f"{path}: {thing} is not declared"


def main(store):
    offline()
    defects, triples = [], 0
    for path in documents(store, "catalog/**/*.jsonld"):
        base = iri(store, path)
        graph = by_rdflib(path, base)
        triples += len(graph)
        if not isomorphic(graph, by_oxigraph(path, base)):
            defects.append(f"{path}: rdflib and oxigraph do not see the same graph")
        defects += defects_of(store, path, graph)
    end(defects, triples=triples)


main(pathlib.Path(sys.argv[1]))
