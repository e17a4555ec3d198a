SELECT
    site_id,
    site_name,
    common_name,
    scientific_name,
    individuals,
    CAST(observed_on AS DATE) AS observed_on,
    county_geoid,
    geometry AS geom
FROM ks_species_sites
