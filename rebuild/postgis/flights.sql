-- A line from airport to airport. The small side of each join stands first, so that memory holds
-- the airports and not the flights. A flight without its airport has no line: the job fails.
SELECT
    f.date AS departed_at,
    f.delay AS delay_minutes,
    f.distance AS distance_miles,
    f.origin,
    f.destination,
    ST_AsBinary(ST_GeomFromText(CONCAT(
        'LINESTRING(',
        CAST(f.lon AS VARCHAR), ' ', CAST(f.lat AS VARCHAR), ', ',
        CAST(d.lon AS VARCHAR), ' ', CAST(d.lat AS VARCHAR), ')'
    ))) AS geom
FROM us_flight_airports AS d
RIGHT JOIN (
    SELECT flights.*, o.lon, o.lat
    FROM us_flight_airports AS o
    RIGHT JOIN ks_flights_2001_ict AS flights ON o.iata = flights.origin
) AS f ON d.iata = f.destination
