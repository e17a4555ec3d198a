SELECT
    CONCAT(r.origin, '-', r.destination) AS route,
    r.origin,
    r.destination,
    r.flights,
    r.distance_miles,
    ST_AsBinary(ST_GeomFromText(CONCAT(
        'LINESTRING(',
        CAST(o.lon AS VARCHAR), ' ', CAST(o.lat AS VARCHAR), ', ',
        CAST(d.lon AS VARCHAR), ' ', CAST(d.lat AS VARCHAR), ')'
    ))) AS geom
FROM (
    SELECT origin, destination, COUNT(*) AS flights, MAX(distance) AS distance_miles
    FROM ks_flights_2001_ict
    GROUP BY origin, destination
) AS r
LEFT JOIN us_flight_airports AS o ON o.iata = r.origin
LEFT JOIN us_flight_airports AS d ON d.iata = r.destination
