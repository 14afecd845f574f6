# The first start of the box, on Amazon Linux 2023: Java, Kafka (KRaft, one
# broker), tapedeck and their systemd units. The template sets the variables
# that stand in capitals. It may run again: what is there is kept.
#
# ROOT is empty on a box; check-user-data.sh runs the steps in a directory.
set -euo pipefail

: "${REGION:?}" "${BUCKET:?}" "${PACKAGE:?}" "${TOPIC:=}" "${FEED:=sim}" "${INSTANCE_TYPE:=}" "${DISK_GB:=0}"
: "${KAFKA_VERSION:=4.4.0}" "${KAFKA_HEAP_OPTS:=-Xms256M -Xmx256M}" "${DEVICE:=/dev/sdf}" "${ENDPOINT:=}" "${LISTEN:=127.0.0.1}"
ROOT=${ROOT:-}

say() { echo "tapedeck: $*"; }

# The data volume, formatted once, mounted by its label.
volume() {
  if ! findmnt -n "$ROOT/var/lib/data" >/dev/null; then
    local device
    device=$(readlink -f "$DEVICE")
    for _ in $(seq 150); do [ -b "$device" ] && break; sleep 2; device=$(readlink -f "$DEVICE"); done
    blkid -L data >/dev/null || mkfs.xfs -q -L data "$device"
    mkdir -p "$ROOT/var/lib/data"
    grep -q LABEL=data "$ROOT/etc/fstab" ||
      echo 'LABEL=data /var/lib/data xfs defaults,nofail,noatime,nosuid,nodev 0 2' >>"$ROOT/etc/fstab"
    mount "$ROOT/var/lib/data"
  fi
}

packages() {
  dnf -q -y upgrade --security
  # Corretto 17 is what Kafka 4 needs; chrony keeps the clock, and with it every age on the screen.
  dnf -q -y install java-17-amazon-corretto-headless chrony amazon-cloudwatch-agent
  systemctl enable --now chronyd
}

kafka_files() {
  getent passwd kafka >/dev/null || useradd --system --home-dir /var/lib/data/kafka --shell /sbin/nologin kafka
  local name=kafka_2.13-$KAFKA_VERSION url sum
  url=https://archive.apache.org/dist/kafka/$KAFKA_VERSION/$name.tgz
  if [ ! -d "$ROOT/opt/$name" ]; then
    mkdir -p "$ROOT/opt" "$ROOT/tmp"
    curl -fsSL --retry 5 -o "$ROOT/tmp/$name.tgz" "$url"
    # The published sum is upper case, in groups, after the file's name.
    sum=$(curl -fsSL --retry 5 "$url.sha512" | sed 's/.*://' | tr -d ' \n' | tr A-F a-f)
    echo "$sum  $ROOT/tmp/$name.tgz" | sha512sum --check --quiet
    tar -xzf "$ROOT/tmp/$name.tgz" -C "$ROOT/opt"
    rm "$ROOT/tmp/$name.tgz"
  fi
  ln -sfn "$name" "$ROOT/opt/kafka"
}

kafka_config() {
  mkdir -p "$ROOT/etc/kafka" "$ROOT/var/lib/data/kafka"
  cat >"$ROOT/etc/kafka/server.properties" <<CONFIG
# One broker that is its own controller (KRaft; there is no ZooKeeper).
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
listeners=PLAINTEXT://$LISTEN:9092,CONTROLLER://127.0.0.1:9093
advertised.listeners=PLAINTEXT://$LISTEN:9092
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$ROOT/var/lib/data/kafka/log
num.partitions=12
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Topics that tapedeck makes say themselves how long they keep (7 days).
log.retention.hours=48
log.segment.bytes=268435456
# A client that died is noticed in seconds.
group.initial.rebalance.delay.ms=0
CONFIG
  cat >"$ROOT/etc/kafka/environment" <<CONFIG
# The heap holds no ticks: Kafka keeps them in the page cache, so memory that
# the heap does not take makes it faster. 256M is enough for one broker, 12
# partitions a topic, a few clients and 20,000 records/s. It is not enough with
# hundreds of partitions, dozens of clients, large messages or TLS: give 1G
# then. "java.lang.OutOfMemoryError" or pauses in the log mean: double it.
# More than 6G is never needed.
KAFKA_HEAP_OPTS="$KAFKA_HEAP_OPTS"
KAFKA_JVM_PERFORMANCE_OPTS="-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true"
LOG_DIR=/var/log/kafka
CONFIG
  cat >"$ROOT/etc/systemd/system/kafka.service" <<'UNIT'
[Unit]
Description=Apache Kafka (KRaft)
Wants=network-online.target
After=network-online.target
RequiresMountsFor=/var/lib/data

[Service]
Type=exec
User=kafka
Group=kafka
EnvironmentFile=/etc/kafka/environment
ExecStart=/opt/kafka/bin/kafka-server-start.sh /etc/kafka/server.properties
Restart=always
RestartSec=2
TimeoutStopSec=60
# A Java process that was asked to end says 143.
SuccessExitStatus=143
LimitNOFILE=100000
LogsDirectory=kafka
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=/var/lib/data/kafka
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
UNIT
}

kafka_start() {
  if [ ! -e "$ROOT/var/lib/data/kafka/log/meta.properties" ]; then
    local id
    id=$("$ROOT/opt/kafka/bin/kafka-storage.sh" random-uuid)
    "$ROOT/opt/kafka/bin/kafka-storage.sh" format -t "$id" -c "$ROOT/etc/kafka/server.properties"
  fi
  chown -R kafka:kafka "$ROOT/var/lib/data/kafka"
  systemctl daemon-reload
  systemctl enable --now kafka
}

tapedeck_files() {
  if ! command -v tapedeck >/dev/null; then
    mkdir -p "$ROOT/tmp"
    aws s3 cp --only-show-errors --region "$REGION" "$PACKAGE" "$ROOT/tmp/tapedeck.rpm"
    dnf -q -y install "$ROOT/tmp/tapedeck.rpm" # brings the user, the group and the units
  fi
  mkdir -p "$ROOT/etc/tapedeck" "$ROOT/var/lib/data/tapedeck"
  if [ ! -e "$ROOT/etc/tapedeck/config.yaml.stack" ]; then
    cat >"$ROOT/etc/tapedeck/config.yaml" <<CONFIG
# Written at the first start of this box; edit it, then systemctl restart tapedeck.
# tapedeck config check /etc/tapedeck/config.yaml says what is wrong with it.
data: /var/lib/data/tapedeck
feed: $FEED
lake: s3://$BUCKET/lake
quit: keep
kafka:
  brokers: [$LISTEN:9092]
  replication: 1
s3:
  region: $REGION
http:
  listen: 127.0.0.1:9464
cost:
  instance: $INSTANCE_TYPE
  disk: ${DISK_GB}GB
  addresses: 1
  endpoint: "$ENDPOINT"
CONFIG
    # Alerts by SNS, where this version sends them itself (docs/delivery.md).
    if [ -n "$TOPIC" ] && tapedeck config show --config /dev/null --set "notify.sns=$TOPIC" >/dev/null 2>&1; then
      printf 'notify:\n  sns: %s\n' "$TOPIC" >>"$ROOT/etc/tapedeck/config.yaml"
    fi
    cp "$ROOT/etc/tapedeck/config.yaml" "$ROOT/etc/tapedeck/config.yaml.stack"
  fi
  chown root:tapedeck "$ROOT/etc/tapedeck/config.yaml"
  chmod 0640 "$ROOT/etc/tapedeck/config.yaml"
  # The state lies on the data volume, where a new box finds it.
  mkdir -p "$ROOT/etc/systemd/system/tapedeck.service.d"
  cat >"$ROOT/etc/systemd/system/tapedeck.service.d/box.conf" <<UNIT
[Unit]
Requires=kafka.service
RequiresMountsFor=/var/lib/data

[Service]
ReadWritePaths=/var/lib/data/tapedeck
Environment=AWS_REGION=$REGION
UNIT
  chown tapedeck:tapedeck "$ROOT/var/lib/data/tapedeck"
  chmod 0750 "$ROOT/var/lib/data/tapedeck"
}

tapedeck_start() {
  systemctl daemon-reload
  systemctl enable --now tapedeck
  # Who logs in as ec2-user is an analyst, too.
  usermod -aG tapedeck ec2-user
}

# What CloudWatch's alarms look at: the disk, the memory, and whether the pipeline is well.
watching() {
  mkdir -p "$ROOT/opt/aws/amazon-cloudwatch-agent/etc" "$ROOT/usr/local/bin"
  cat >"$ROOT/opt/aws/amazon-cloudwatch-agent/etc/tapedeck.json" <<'CONFIG'
{
  "agent": {"metrics_collection_interval": 60},
  "metrics": {
    "namespace": "tapedeck",
    "append_dimensions": {"InstanceId": "${aws:InstanceId}"},
    "aggregation_dimensions": [["InstanceId"]],
    "metrics_collected": {
      "disk": {"measurement": ["used_percent"], "resources": ["/var/lib/data"], "drop_device": true},
      "mem": {"measurement": ["used_percent"]}
    }
  }
}
CONFIG
  cat >"$ROOT/usr/local/bin/tapedeck-ready" <<'SCRIPT'
#!/bin/bash
# Tells CloudWatch once a minute whether the pipeline says that it is well.
value=0
curl -fsS --max-time 5 http://127.0.0.1:9464/readyz >/dev/null && value=1
token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
id=$(curl -fsS -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/instance-id)
aws cloudwatch put-metric-data --namespace tapedeck --metric-name ready --value "$value" --dimensions "InstanceId=$id"
SCRIPT
  chmod 0755 "$ROOT/usr/local/bin/tapedeck-ready"
  cat >"$ROOT/etc/systemd/system/tapedeck-ready.service" <<UNIT
[Unit]
Description=Tell CloudWatch whether tapedeck is well
[Service]
Type=oneshot
DynamicUser=yes
Environment=AWS_REGION=$REGION
ExecStart=/usr/local/bin/tapedeck-ready
UNIT
  cat >"$ROOT/etc/systemd/system/tapedeck-ready.timer" <<'UNIT'
[Unit]
Description=Tell CloudWatch every minute whether tapedeck is well
[Timer]
OnBootSec=3min
OnUnitActiveSec=1min
[Install]
WantedBy=timers.target
UNIT
  "$ROOT/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl" -a fetch-config -m ec2 -s \
    -c "file:$ROOT/opt/aws/amazon-cloudwatch-agent/etc/tapedeck.json"
  systemctl daemon-reload
  systemctl enable --now tapedeck-ready.timer
}

for step in ${STEPS:-volume packages kafka_files kafka_config kafka_start tapedeck_files tapedeck_start watching}; do
  say "$step"
  "$step"
done
say "the box is ready"
