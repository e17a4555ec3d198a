-- The catalog's own quads, then the relations that the datasets declare. Entities are named
-- graph://<entity>, as evidence references name them; relations stand in a graph of their own.
SELECT subject, predicate, object, graph
FROM catalog_quads

UNION ALL

SELECT
    rdf_iri('graph://county/' || "GEOID"),
    rdf_iri('http://www.w3.org/1999/02/22-rdf-syntax-ns#type'),
    rdf_iri('urn:kfm:term:County'),
    rdf_iri('graph://kansas')
FROM ks_counties

UNION ALL

SELECT
    rdf_iri('graph://county/' || "GEOID"),
    rdf_iri('http://www.w3.org/2000/01/rdf-schema#label'),
    rdf_literal("NAME"),
    rdf_iri('graph://kansas')
FROM ks_counties

UNION ALL

SELECT
    rdf_iri('graph://place/' || CAST(geonameid AS VARCHAR)),
    rdf_iri('http://www.w3.org/1999/02/22-rdf-syntax-ns#type'),
    rdf_iri('urn:kfm:term:PopulatedPlace'),
    rdf_iri('graph://kansas')
FROM ks_populated_places

UNION ALL

SELECT
    rdf_iri('graph://place/' || CAST(geonameid AS VARCHAR)),
    rdf_iri('http://www.w3.org/2000/01/rdf-schema#label'),
    rdf_literal(name),
    rdf_iri('graph://kansas')
FROM ks_populated_places

UNION ALL

SELECT
    rdf_iri('graph://place/' || CAST(geonameid AS VARCHAR)),
    rdf_iri('urn:kfm:term:inCounty'),
    rdf_iri('graph://county/' || county_geoid),
    rdf_iri('graph://kansas')
FROM ks_populated_places
WHERE county_geoid <> ''

UNION ALL

-- An edge is listed once, the lower code first; being beside holds both ways.
SELECT
    rdf_iri('graph://county/' || src),
    rdf_iri('urn:kfm:term:adjacentTo'),
    rdf_iri('graph://county/' || dst),
    rdf_iri('graph://kansas')
FROM (
    SELECT CAST(src AS VARCHAR) AS src, CAST(dst AS VARCHAR) AS dst FROM ks_county_adjacency
    UNION ALL
    SELECT CAST(dst AS VARCHAR), CAST(src AS VARCHAR) FROM ks_county_adjacency
) AS edges
