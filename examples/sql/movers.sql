-- The strongest moves from each symbol's first to its last minute.
WITH span AS (
  SELECT symbol, min_by(open, time) AS first, max_by(close, time) AS last, sum(volume) AS volume
  FROM bars
  WHERE interval = '1m' AND time >= TIMESTAMP '2026-11-20 14:30:00'
  GROUP BY symbol
)
SELECT symbol, first, last, round(100 * (last / first - 1), 3) AS change_percent, volume
FROM span
ORDER BY abs(last / first - 1) DESC, symbol
LIMIT 10
