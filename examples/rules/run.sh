#!/usr/bin/env bash
# Imports the rules of this folder, shows what one compares now, and back-tests
# another over a recording. Everything is kept in a directory of its own.
set -euo pipefail
cd "$(dirname "$0")"
tapedeck=${TAPEDECK_BIN:-../../bin/tapedeck}
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
place=(--data "$data" --feed replay)

"$tapedeck" rules import "${place[@]}" --dry-run ./*.yaml
"$tapedeck" rules import "${place[@]}" ./*.yaml
"$tapedeck" run "${place[@]}" --input ../replay/ticks.csv --speed max --once

"$tapedeck" rules test "${place[@]}" 'change("30s") > 0.01%'
"$tapedeck" rules backtest "${place[@]}" 'crosses_above(price, sma("1s", 20))' --limit 3
fired=$("$tapedeck" rules backtest "${place[@]}" 'crosses_above(price, sma("1s", 20))' --format csv | tail -n +2 | wc -l)
[ "$fired" -gt 0 ]

# One edit, its history, and back.
"$tapedeck" rules set "${place[@]}" breakout 'crosses_above(price, high("5m"))' --note "a shorter look back"
"$tapedeck" rules history "${place[@]}" breakout
"$tapedeck" rules undo "${place[@]}" breakout
"$tapedeck" rules export "${place[@]}" breakout | grep -q '15m'
"$tapedeck" alerts "${place[@]}" --limit 5
