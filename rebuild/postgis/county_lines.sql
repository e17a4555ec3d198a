SELECT
    left_geoid,
    right_geoid,
    geometry AS geom
FROM ks_county_lines
