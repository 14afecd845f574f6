#!/usr/bin/env bash
# Plays a recording of thirty minutes (recording.sh) into a directory of its
# own, then asks every query of this folder. One that fails or finds nothing
# ends it.
set -euo pipefail
cd "$(dirname "$0")"
tapedeck=${TAPEDECK_BIN:-../../bin/tapedeck}
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

bash recording.sh >"$data/ticks.csv"
"$tapedeck" run --data "$data" --feed replay --input "$data/ticks.csv" --speed max --once
for query in *.sql; do
  echo
  echo "── ${query%.sql}: $(sed -n '1s/^-- //p' "$query")"
  "$tapedeck" sql --data "$data" --feed replay --file "$query"
  rows=$("$tapedeck" sql --data "$data" --feed replay --format csv --file "$query" | tail -n +2 | wc -l)
  if [ "$rows" -eq 0 ]; then
    echo "$query finds nothing" >&2
    exit 1
  fi
done

# A local file beside the lake: orders against the price of their moment.
cat >"$data/orders.csv" <<CSV
id,symbol,at,quantity,price
1,AAPL,2026-11-20 14:31:00,100,187.40
2,AAPL,2026-11-20 14:32:00,-100,187.44
CSV
echo
echo "── orders in a file, against the minute that they fell into"
"$tapedeck" sql --data "$data" --feed replay --table "orders=$data/orders.csv" "
  SELECT o.id, o.quantity, o.price, b.vwap, round(o.quantity * (b.vwap - o.price), 2) AS gain
  FROM orders o JOIN bars b ON b.symbol = o.symbol AND b.time = o.at AND b.interval = '1m'
  ORDER BY o.id"
