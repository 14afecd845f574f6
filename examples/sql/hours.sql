-- What lies where: rows an hour of the lake, and how many symbols traded.
SELECT date, hour, count(*) AS ticks, approx_distinct(symbol) AS symbols, min(time) AS first, max(time) AS last
FROM ticks
GROUP BY date, hour
ORDER BY date, hour
