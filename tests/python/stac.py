"""Holds every STAC document of a store against the schemas that pystac ships, and follows it.

usage: stac.py STORE
"""

import json
import os
import pathlib
import sys

import pystac
import pystac.validation
from common import REPOSITORY, documents, end, offline

EXTENSIONS = {
    "https://stac-extensions.github.io/file/v2.1.0/schema.json": "file.json",
    "https://stac-extensions.github.io/table/v1.2.0/schema.json": "table.json",
}


def validator():
    made = pystac.validation.stac_validator.JsonSchemaSTACValidator()
    folder = REPOSITORY / "src/canonical/catalog/schemas/extensions"
    for uri, name in EXTENSIONS.items():
        made.schema_cache[uri] = json.loads((folder / name).read_text())
    return made


def leads_somewhere(path, href):
    return "://" in href or (path.parent / href).resolve().exists()


def followed(path, read):
    hrefs = [link.href for link in read.links if link.rel != "self"]
    hrefs += [asset.href for asset in getattr(read, "assets", {}).values()]
    for href in hrefs:
        if not leads_somewhere(path, href):
            yield f"{path}: {href} leads nowhere"
    if isinstance(read, pystac.Collection) and not list(read.get_items()):
        yield f"{path}: no item is found through the collection"


def main(store):
    offline()
    pystac.validation.set_validator(validator())
    defects, items = [], 0
    for path in documents(store, "catalog/*/*/stac/**/*.json"):
        document = json.loads(path.read_text())
        items += document["type"] == "Feature"
        try:
            pystac.validation.validate_dict(document)
            defects += followed(path, pystac.read_file(os.fspath(path)))
        except Exception as error:
            defects.append(f"{path}: {error}")
    end(defects, items=items)


main(pathlib.Path(sys.argv[1]))
