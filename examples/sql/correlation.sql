-- Which symbols move together, minute by minute.
WITH r AS (
  SELECT symbol, time, close / lag(close) OVER (PARTITION BY symbol ORDER BY time) - 1 AS r
  FROM bars
  WHERE interval = '1m'
)
SELECT a.symbol AS one, b.symbol AS other, count(*) AS minutes, round(corr(a.r, b.r), 3) AS correlation
FROM r a JOIN r b ON a.time = b.time AND a.symbol < b.symbol
WHERE a.r IS NOT NULL AND b.r IS NOT NULL
GROUP BY a.symbol, b.symbol
HAVING count(*) > 2
ORDER BY correlation DESC, one, other
