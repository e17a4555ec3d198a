-- The source names counties, one of them without its inner capital.
SELECT
    z.zip_code,
    z.city,
    c."GEOID" AS county_geoid,
    z.geometry AS geom
FROM ks_zipcodes AS z
LEFT JOIN ks_counties AS c ON LOWER(c."NAME") = LOWER(z.county)
