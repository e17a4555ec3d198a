SELECT
    id,
    mag AS magnitude,
    place,
    CAST("time" AS TIMESTAMP) AS occurred_at,
    depth_km,
    geometry AS geom
FROM ks_earthquakes
