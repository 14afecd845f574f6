-- At which prices the volume of a symbol traded: twelve steps of its range.
WITH bounds AS (
  SELECT min(price) AS low, max(price) + 1e-4 AS high FROM ticks WHERE symbol = 'AAPL'
)
SELECT width_bucket(t.price, b.low, b.high, 12) AS step, round(min(t.price), 4) AS from_price, round(max(t.price), 4) AS to_price,
       sum(t.size) AS volume
FROM ticks t CROSS JOIN bounds b
WHERE t.symbol = 'AAPL'
GROUP BY 1
ORDER BY 1
