-- One record for each place, county, airport, zip code, species and dataset that the audience may
-- see. Records of one dataset share what the catalog says of it: version, time, policy label.
SELECT
    'place/' || CAST(p.geonameid AS VARCHAR) AS id,
    c.dataset,
    c.dataset_version_id,
    p.name AS title,
    'Populated place in Kansas, population ' || CAST(p.population AS VARCHAR) AS body,
    NULLIF(p.alternatenames, '') AS names,
    c.time_start,
    c.time_end,
    ST_X(ST_GeomFromWKB(p.geometry)) AS west,
    ST_Y(ST_GeomFromWKB(p.geometry)) AS south,
    ST_X(ST_GeomFromWKB(p.geometry)) AS east,
    ST_Y(ST_GeomFromWKB(p.geometry)) AS north,
    'stac://ks_populated_places/items/ks_populated_places' AS evidence_ref,
    c.policy_label
FROM ks_populated_places AS p
CROSS JOIN (SELECT * FROM catalog_datasets WHERE dataset = 'ks_populated_places') AS c

UNION ALL

SELECT
    'county/' || k."GEOID",
    c.dataset,
    c.dataset_version_id,
    k."NAME" || ' County',
    'County of Kansas, FIPS ' || k."GEOID",
    CAST(NULL AS VARCHAR),
    c.time_start,
    c.time_end,
    ST_XMin(ST_GeomFromWKB(k.geometry)),
    ST_YMin(ST_GeomFromWKB(k.geometry)),
    ST_XMax(ST_GeomFromWKB(k.geometry)),
    ST_YMax(ST_GeomFromWKB(k.geometry)),
    'stac://ks_counties/items/ks_counties',
    c.policy_label
FROM ks_counties AS k
CROSS JOIN (SELECT * FROM catalog_datasets WHERE dataset = 'ks_counties') AS c

UNION ALL

SELECT
    'airport/' || a.icao,
    c.dataset,
    c.dataset_version_id,
    a.name,
    'Airport in ' || COALESCE(NULLIF(a.city, ''), 'Kansas'),
    CONCAT_WS('|', a.icao, NULLIF(a.iata, ''), NULLIF(a.lid, '')),
    c.time_start,
    c.time_end,
    ST_X(ST_GeomFromWKB(a.geometry)),
    ST_Y(ST_GeomFromWKB(a.geometry)),
    ST_X(ST_GeomFromWKB(a.geometry)),
    ST_Y(ST_GeomFromWKB(a.geometry)),
    'stac://ks_airports/items/ks_airports',
    c.policy_label
FROM ks_airports AS a
CROSS JOIN (SELECT * FROM catalog_datasets WHERE dataset = 'ks_airports') AS c

UNION ALL

SELECT
    'zip/' || z.zip_code,
    c.dataset,
    c.dataset_version_id,
    z.zip_code || ' ' || z.city,
    'Zip code in ' || z.county || ' County, Kansas',
    CAST(NULL AS VARCHAR),
    c.time_start,
    c.time_end,
    ST_X(ST_GeomFromWKB(z.geometry)),
    ST_Y(ST_GeomFromWKB(z.geometry)),
    ST_X(ST_GeomFromWKB(z.geometry)),
    ST_Y(ST_GeomFromWKB(z.geometry)),
    'stac://ks_zipcodes/items/ks_zipcodes',
    c.policy_label
FROM ks_zipcodes AS z
CROSS JOIN (SELECT * FROM catalog_datasets WHERE dataset = 'ks_zipcodes') AS c

UNION ALL

SELECT
    'species/' || s.gap_species_code,
    c.dataset,
    c.dataset_version_id,
    s.common_name,
    'Species of Kansas, all year in ' || CAST(s.counties AS VARCHAR) || ' counties',
    s.scientific_name,
    c.time_start,
    c.time_end,
    CAST(NULL AS DOUBLE),
    CAST(NULL AS DOUBLE),
    CAST(NULL AS DOUBLE),
    CAST(NULL AS DOUBLE),
    'stac://ks_species_county/items/ks_species_county',
    c.policy_label
FROM (
    SELECT gap_species_code, common_name, scientific_name, COUNT(*) AS counties
    FROM ks_species_county
    GROUP BY gap_species_code, common_name, scientific_name
) AS s
CROSS JOIN (SELECT * FROM catalog_datasets WHERE dataset = 'ks_species_county') AS c

UNION ALL

SELECT
    'dataset/' || d.dataset || '@' || d.dataset_version_id,
    d.dataset,
    d.dataset_version_id,
    d.title,
    d.description,
    CAST(NULL AS VARCHAR),
    d.time_start,
    d.time_end,
    d.west,
    d.south,
    d.east,
    d.north,
    d.evidence_ref,
    d.policy_label
FROM catalog_datasets AS d
