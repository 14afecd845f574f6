-- Log returns of one-minute closes, and their volatility over the year
-- (390 minutes a day, 252 days).
WITH r AS (
  SELECT symbol, time, ln(close / lag(close) OVER (PARTITION BY symbol ORDER BY time)) AS r
  FROM bars
  WHERE interval = '1m'
)
SELECT symbol, count(r) AS minutes, round(stddev_samp(r) * sqrt(390 * 252) * 100, 2) AS volatility_percent,
       round(min(r) * 100, 3) AS worst_percent, round(max(r) * 100, 3) AS best_percent
FROM r
GROUP BY symbol
HAVING count(r) > 1
ORDER BY symbol
