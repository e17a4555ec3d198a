SELECT
    gap_species_code AS code,
    CAST(county_id AS VARCHAR) AS county_geoid,
    common_name,
    scientific_name,
    CAST(habitat_yearround_pct AS DOUBLE) AS habitat
FROM ks_species_county
