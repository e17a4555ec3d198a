SELECT
    warning_id,
    kind,
    CAST(issued_at AS TIMESTAMP) AS issued_at,
    county_geoid,
    geometry AS geom
FROM ks_storm_warnings
