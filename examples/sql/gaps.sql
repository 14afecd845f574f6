-- Where a symbol was silent for longest.
WITH steps AS (
  SELECT symbol, time, date_diff('millisecond', lag(time) OVER (PARTITION BY symbol ORDER BY time), time) AS silent
  FROM ticks
)
SELECT symbol, max(silent) AS longest_ms, max_by(time, silent) AS ended_at
FROM steps
WHERE silent IS NOT NULL
GROUP BY symbol
ORDER BY longest_ms DESC, symbol
LIMIT 10
