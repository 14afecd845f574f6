-- The newest indicators of each symbol, where they have enough bars.
SELECT f.symbol, f.time, round(f.avg_5m, 3) AS avg_5m, round(f.rsi_14, 2) AS rsi_14, b.close
FROM features f
JOIN bars b ON b.symbol = f.symbol AND b.time = f.time AND b.interval = f.interval
WHERE f.interval = '1m' AND f.time = (SELECT max(time) FROM features WHERE interval = '1m')
ORDER BY f.symbol
