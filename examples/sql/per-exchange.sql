-- Each exchange's share of a symbol's volume, as a map.
WITH v AS (
  SELECT symbol, coalesce(nullif(exchange, ''), '(none)') AS exchange, sum(size) AS volume
  FROM ticks
  GROUP BY 1, 2
)
SELECT symbol, sum(volume) AS volume, map_agg(exchange, volume) AS by_exchange
FROM v
GROUP BY symbol
ORDER BY symbol
