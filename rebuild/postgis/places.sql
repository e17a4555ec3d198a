SELECT
    geonameid,
    name,
    NULLIF(alternatenames, '') AS names,
    population,
    timezone,
    county_geoid,
    geometry AS geom
FROM ks_populated_places
