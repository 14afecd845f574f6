#!/usr/bin/env bash
# Builds what a release is made of into dist/: binaries, deb and rpm, man
# pages, completions, checksums. What this machine cannot build is said.
#   release.sh VERSION     (make release)
set -euo pipefail
version=${1:?the version}
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
dist=$top/dist
rm -rf "$dist"
mkdir -p "$dist/man" "$dist/completions" .cache/static
go=${GO:-go}
day=$(git log -1 --format=%cs 2>/dev/null || date -u +%F)
skipped=0
skip() { echo "SKIP  $*"; skipped=$((skipped + 1)); }

# The C++ library goes in, so that the binary needs only glibc and libgcc_s as
# every system has them; by a folder of its own, because cgo names -lstdc++
# itself. libgcc_s stays outside: its static form asks for a glibc of 2.35.
build() { # GOARCH CC TRIPLE
  local arch=$1 cc=$2 static=$top/.cache/static/$1
  mkdir -p "$static"
  ln -sfn "$("$cc" -print-file-name=libstdc++.a)" "$static/libstdc++.a"
  # A libstdc++ built on glibc 2.36 asks it for arc4random, which older ones lack.
  printf '%s\n' '#include <unistd.h>' '#include <stdlib.h>' \
    'unsigned arc4random(void) { unsigned v; if (getentropy(&v, sizeof v)) abort(); return v; }' |
    "$cc" -O2 -fno-builtin -x c -c -o "$static/arc4random.o" -
  CGO_ENABLED=1 GOOS=linux GOARCH=$arch CC=$cc CXX=${cc%gcc}g++ \
    "$go" build -trimpath -ldflags "-s -w -X main.version=$version -extldflags '$static/arc4random.o -L$static'" \
    -o "$dist/tapedeck-linux-$arch" ./cmd/tapedeck
  if command -v objdump >/dev/null; then
    # Amazon Linux 2023, RHEL 9, Debian 12 and Ubuntu 22.04 have 2.34 or later.
    newest=$(LC_ALL=C "${cc%gcc}objdump" -T "$dist/tapedeck-linux-$arch" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1 || true)
    echo "ok    linux/$arch, $(du -m "$dist/tapedeck-linux-$arch" | cut -f1) MB, needs ${newest:-glibc}"
  fi
}

machine=$(uname -m)
if [ "$(uname -s)" = Linux ]; then
  case $machine in
    x86_64) native=amd64 cross=arm64 crosscc=aarch64-linux-gnu-gcc ;;
    aarch64) native=arm64 cross=amd64 crosscc=x86_64-linux-gnu-gcc ;;
    *) echo "release: $machine is not built for" >&2; exit 1 ;;
  esac
  build "$native" "${CC:-gcc}"
  if command -v "$crosscc" >/dev/null && command -v "${crosscc%gcc}g++" >/dev/null; then
    build "$cross" "$crosscc"
  else
    skip "linux/$cross: needs $crosscc and ${crosscc%gcc}g++ (Debian: g++-${crosscc%-gcc})"
  fi
  skip "darwin: DuckDB and librdkafka need Apple's SDK; run make release on a Mac"
else
  CGO_ENABLED=1 "$go" build -trimpath -ldflags "-s -w -X main.version=$version" -o "$dist/tapedeck-darwin-$(go env GOARCH)" ./cmd/tapedeck
  native=""
  skip "linux: run make release on Linux"
fi

first=$(find "$dist" -name "tapedeck-*-${native:-$(go env GOARCH)}" | head -1)
env -i PATH="$PATH" HOME="$dist" "$first" man --date "$day" "$dist/man"
for shell in bash zsh fish; do
  env -i PATH="$PATH" HOME="$dist" "$first" completion $shell >"$dist/completions/tapedeck.$shell"
done
gzip -9nf "$dist"/man/*.1
echo "ok    $(find "$dist/man" -name '*.gz' | wc -l) man pages, completions for bash, zsh and fish"

nfpm=$top/.cache/bin/nfpm
[ -x "$nfpm" ] || nfpm=$(command -v nfpm || true)
if [ -n "$nfpm" ]; then
  # 0.3.1-4-gabc is later than 0.3.1: packages write it 0.3.1+4.gabc.
  number=$(echo "${version#v}" | sed 's/-\([0-9]*\)-g/+\1.g/; s/-dirty//')
  case $number in [0-9]*.[0-9]*) ;; *) number=0.0.0+$number ;; esac
  for arch in amd64 arm64; do
    [ -e "$dist/tapedeck-linux-$arch" ] || continue
    for kind in deb rpm; do
      ARCH=$arch NUMBER=$number "$nfpm" package --config examples/packaging/nfpm.yaml --packager $kind --target "$dist/" >/dev/null
    done
  done
  echo "ok    $(find "$dist" \( -name '*.deb' -o -name '*.rpm' \) -printf '%P ')"
else
  skip "deb and rpm: nfpm is not here (make release installs it)"
fi
sums=$(cd "$dist" && find . -maxdepth 1 -type f -printf '%P\n' | sort | xargs sha256sum)
echo "$sums" >"$dist/SHA256SUMS"
echo "ok    SHA256SUMS of $(wc -l <"$dist/SHA256SUMS") files in dist/; $skipped skipped"
