-- One-minute bars out of the ticks themselves, with the volume-weighted price.
SELECT symbol, date_trunc('minute', time) AS minute,
       min_by(price, time) AS open, max(price) AS high, min(price) AS low, max_by(price, time) AS close,
       sum(size) AS volume, round(sum(price * size) / sum(size), 4) AS vwap
FROM ticks
WHERE date = '2026-11-20' AND hour = '14'
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT 20
