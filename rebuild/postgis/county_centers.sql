SELECT
    "GEOID" AS geoid,
    "NAME" AS name,
    geometry AS geom
FROM ks_county_centers
