-- What was left out, and why: the rows that are no ticks, by kind.
SELECT regexp_replace(reason, '^.* line \d+: ', '') AS reason, count(*) AS rows
FROM dead_letters
GROUP BY 1
ORDER BY rows DESC, 1
