#!/usr/bin/env bash
# Generates a day of a market that can be learned a little, records it, trains
# a forest on it, judges it walk-forward and looks at what SageMaker would get.
# Everything is kept in a directory of its own.
set -euo pipefail
cd "$(dirname "$0")"
tapedeck=$(realpath "${TAPEDECK_BIN:-../../bin/tapedeck}")
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
on=(--data "$data/deck" --feed replay)

python3 generate.py >"$data/ticks.csv"
"$tapedeck" run "${on[@]}" --input "$data/ticks.csv" --speed max --once

"$tapedeck" train "${on[@]}" --model xgboost
"$tapedeck" models "${on[@]}"
"$tapedeck" evaluate "${on[@]}" --model xgboost --folds 3

# What a program reads: the skill at one minute, with its 95 % interval.
"$tapedeck" evaluate "${on[@]}" --model xgboost --folds 3 --format csv >"$data/scores.csv"
python3 - "$data/scores.csv" <<'PY'
import csv, sys
row = next(csv.DictReader(open(sys.argv[1])))
print(f"skill at {int(row['horizon_s']) // 60} minute: {float(row['skill']):.4f} [{float(row['skill_low']):.4f}, {float(row['skill_high']):.4f}], "
      f"{100 * float(row['coverage']):.1f} % inside the band")
assert float(row["skill_low"]) > 0, "what can be learned was not learned"
assert 0.76 < float(row["coverage"]) < 0.84
PY

archive=$(ls "$data"/deck/models/xgboost/*/model.tar.gz)
echo "for SageMaker: model.tar.gz with"
tar -tzf "$archive"
tar -tzf "$archive" | grep -qx manifest.json
