SELECT
    icao,
    NULLIF(iata, '') AS iata,
    NULLIF(lid, '') AS lid,
    name,
    NULLIF(city, '') AS city,
    CAST(NULLIF(elevation, '') AS DOUBLE) AS elevation_ft,
    tz AS timezone,
    geometry AS geom
FROM ks_airports
