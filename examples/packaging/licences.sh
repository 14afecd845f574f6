#!/usr/bin/env bash
# Writes docs/licences.md: every module that is linked into tapedeck, with its
# licence as its own file says. Fails on one that is unknown or of the GPL family.
#   licences.sh [--check]      --check compares and writes nothing (make licences)
set -euo pipefail
cd "$(dirname "$0")/../.."
name=docs/licences.md
go=${GO:-go}

kind() { # of a folder with a licence in it
  local file text
  file=$(find "$1" -maxdepth 1 -type f \( -iname 'LICEN[CS]E*' -o -iname 'COPYING*' \) ! -name '*.go' | sort | head -1)
  [ -n "$file" ] || { echo "unknown"; return; }
  text=$(tr -s ' \t\n' ' ' <"$file")
  case $text in
    *"GNU AFFERO"* | *"GNU GENERAL PUBLIC"*) echo "GPL" ;;
    *"Mozilla Public License"*) echo "MPL-2.0" ;;
    *"Apache License"*) echo "Apache-2.0" ;;
    *"Redistribution and use in source and binary forms"*"Neither the name"*) echo "BSD-3-Clause" ;;
    *"Redistribution and use in source and binary forms"*"may be used to endorse"*) echo "BSD-3-Clause" ;;
    *"Redistribution and use in source and binary forms"*) echo "BSD-2-Clause" ;;
    *"Permission is hereby granted, free of charge"*) echo "MIT" ;;
    *"Permission to use, copy, modify, and/or distribute this software"* | *"Permission to use, copy, modify, and distribute this software"*) echo "ISC" ;;
    *"CC0"* | *"public domain"* | *"unlicense"*) echo "public domain" ;;
    *) echo "unknown" ;;
  esac
}

out=$(mktemp)
trap 'rm -f "$out"' EXIT
{
  cat <<'HEAD'
# Licences of what is linked in

tapedeck itself is under the [MIT licence](../LICENSE). Linked into it are the Go modules below and,
through two of them, C and C++ libraries: DuckDB (MIT) by duckdb-go-bindings, and librdkafka
(BSD-2-Clause, with zlib, lz4, zstd, OpenSSL 3 (Apache-2.0), cyrus-sasl (BSD) and libcurl (curl) in its
bundle) by confluent-kafka-go. What is under MPL-2.0 is linked unchanged, which that licence allows
beside any other. Made by `bash examples/packaging/licences.sh`; `make licences` compares, and fails
when a licence is unknown or of the GPL family. Each module's own file has the whole text.

| module | version | licence |
|---|---|---|
HEAD
  for system in linux darwin; do
    GOOS=$system GOARCH=arm64 "$go" list -e -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/...
  done | sort -u | while read -r path version dir; do
    [ -n "$dir" ] || continue
    echo "| $path | $version | $(kind "$dir") |"
  done
} >"$out"
if grep -E '\| (unknown|GPL) \|' "$out"; then
  echo "licences: look at these" >&2
  exit 1
fi
if [ "${1:-}" = --check ]; then
  diff -u "$name" "$out" || { echo "$name is out of date: bash examples/packaging/licences.sh" >&2; exit 1; }
else
  cp "$out" "$name"
fi
echo "$(grep -c '^| .* | v[0-9]' "$out") modules: $(grep '^| .* | v[0-9]' "$out" | awk -F'|' '{gsub(/ /,"",$4); print $4}' | sort | uniq -c | sort -rn | awk '{printf "%s %s, ", $1, $2}')"
