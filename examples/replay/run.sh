#!/usr/bin/env bash
# Replays a recorded file at full speed through the whole pipeline, then asks
# its minute bars in SQL. Everything is kept in a directory of its own.
set -euo pipefail
cd "$(dirname "$0")"
tapedeck=${TAPEDECK_BIN:-../../bin/tapedeck}
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

"$tapedeck" run --data "$data" --feed replay --input ticks.csv --speed max --once
rows=$("$tapedeck" sql --data "$data" --feed replay --format csv "SELECT count(*) AS n FROM ticks" | tail -1)
want=$(($(wc -l <ticks.csv) - 1))
echo "rows in the file: $want, in SQL: $rows"
[ "$rows" = "$want" ]
"$tapedeck" sql --data "$data" --feed replay "
  SELECT symbol, time, open, high, low, close, volume
  FROM bars WHERE interval = '1m' AND symbol = 'AAPL' ORDER BY time LIMIT 5"
