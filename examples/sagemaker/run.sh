#!/usr/bin/env bash
# Serves a model of XGBoost's own as a SageMaker container does, asks it in CSV
# and JSON, holds the answers against libxgboost's, and ends it in order.
set -euo pipefail
cd "$(dirname "$0")"
tapedeck=${TAPEDECK_BIN:-../../bin/tapedeck}
oracle=../../ml/xgboost/testdata/base_score_set
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$dir"' EXIT

gunzip -c $oracle.json.gz >"$dir/model.json"
gunzip -c $oracle.X.csv.gz | sed -n '2,4p' >"$dir/question.csv"
gunzip -c $oracle.pred.csv.gz | sed -n '2,4p' | cut -d, -f4 >"$dir/wanted.csv"

"$tapedeck" serve --model "$dir/model.json" --listen 127.0.0.1:0 >"$dir/out" 2>"$dir/err" &
pid=$!
url=
for _ in $(seq 200); do
	url=$(sed -n 's/^listening on //p' "$dir/out")
	[ -z "$url" ] || break
	kill -0 $pid || { cat "$dir/err"; exit 1; }
	sleep 0.05
done
curl -fsS "$url/ping"
curl -fsS "$url/models"

# Texts of the same float32 may differ; numbers may not, beyond its last digit.
same() { paste -d, "$dir/wanted.csv" "$1" | awk -F, '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-5 * (1 + ($1 < 0 ? -$1 : $1))) { print "wanted " $1 ", got " $2; exit 1 } n++ } END { if (n != 3) { print "rows: " n; exit 1 } }'; }
curl -fsS -H 'Content-Type: text/csv' --data-binary @"$dir/question.csv" "$url/invocations" >"$dir/csv"
same "$dir/csv"
sed 's/^/[/; s/$/]/' "$dir/question.csv" | paste -sd, | sed 's/^/{"instances": [/; s/$/]}/' >"$dir/question.json"
curl -fsS -H 'Content-Type: application/json' --data-binary @"$dir/question.json" "$url/endpoints/model/invocations" >"$dir/json"
cat "$dir/json"
sed 's/.*\[\[//; s/\]\].*//; s/\], \[/\n/g' "$dir/json" >"$dir/json.csv"
same "$dir/json.csv"
echo "answers are libxgboost's"
status=$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: text/csv' -d 'nonsense' "$url/invocations")
[ "$status" = 400 ]
kill -TERM $pid
wait $pid
pid=
echo "ended in order"
