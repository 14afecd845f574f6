-- The quoted spread in basis points: its mean and its worst value.
SELECT symbol, count(*) AS quotes,
       round(10000 * avg((ask - bid) / ((ask + bid) / 2)), 2) AS mean_bp,
       round(10000 * max((ask - bid) / ((ask + bid) / 2)), 2) AS worst_bp
FROM ticks
WHERE bid IS NOT NULL AND ask > bid
GROUP BY symbol
ORDER BY mean_bp, symbol
