-- A county may be one polygon or several; the table makes all of them MultiPolygon.
SELECT
    "GEOID" AS geoid,
    "NAME" AS name,
    "ALAND" AS land_m2,
    "AWATER" AS water_m2,
    geometry AS geom
FROM ks_counties
