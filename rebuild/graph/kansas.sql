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

UNION ALL

SELECT
    rdf_iri('graph://zip/' || zip_code),
    rdf_iri('http://www.w3.org/1999/02/22-rdf-syntax-ns#type'),
    rdf_iri('urn:kfm:term:ZipCode'),
    rdf_iri('graph://kansas')
FROM ks_zipcodes

UNION ALL

SELECT
    rdf_iri('graph://zip/' || z.zip_code),
    rdf_iri('urn:kfm:term:inCounty'),
    rdf_iri('graph://county/' || c."GEOID"),
    rdf_iri('graph://kansas')
FROM ks_zipcodes AS z
INNER JOIN ks_counties AS c ON LOWER(c."NAME") = LOWER(z.county)

UNION ALL

SELECT
    rdf_iri('graph://species/' || gap_species_code),
    rdf_iri('http://www.w3.org/1999/02/22-rdf-syntax-ns#type'),
    rdf_iri('urn:kfm:term:Species'),
    rdf_iri('graph://kansas')
FROM (SELECT DISTINCT gap_species_code, common_name FROM ks_species_county) AS species

UNION ALL

SELECT
    rdf_iri('graph://species/' || gap_species_code),
    rdf_iri('http://www.w3.org/2000/01/rdf-schema#label'),
    rdf_literal(common_name),
    rdf_iri('graph://kansas')
FROM (SELECT DISTINCT gap_species_code, common_name FROM ks_species_county) AS species

UNION ALL

SELECT
    rdf_iri('graph://species/' || gap_species_code),
    rdf_iri('urn:kfm:term:livesInCounty'),
    rdf_iri('graph://county/' || CAST(county_id AS VARCHAR)),
    rdf_iri('graph://kansas')
FROM ks_species_county

UNION ALL

SELECT
    rdf_iri('graph://airport/' || iata),
    rdf_iri('http://www.w3.org/1999/02/22-rdf-syntax-ns#type'),
    rdf_iri('urn:kfm:term:Airport'),
    rdf_iri('graph://kansas')
FROM us_flight_airports

UNION ALL

SELECT
    rdf_iri('graph://airport/' || iata),
    rdf_iri('http://www.w3.org/2000/01/rdf-schema#label'),
    rdf_literal(name),
    rdf_iri('graph://kansas')
FROM us_flight_airports

UNION ALL

SELECT
    rdf_iri('graph://airport/' || origin),
    rdf_iri('urn:kfm:term:flightTo'),
    rdf_iri('graph://airport/' || destination),
    rdf_iri('graph://kansas')
FROM (SELECT DISTINCT origin, destination FROM ks_flights_2001_ict) AS routes
