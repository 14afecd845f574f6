#!/bin/sh
# The user of the pipeline and the group of the analysts.
set -e
getent group tapedeck >/dev/null || groupadd --system tapedeck
getent passwd tapedeck >/dev/null ||
  useradd --system --gid tapedeck --home-dir /var/lib/tapedeck --no-create-home --shell /usr/sbin/nologin tapedeck
mkdir -p /etc/tapedeck
if [ ! -e /etc/tapedeck/config.yaml ]; then
  cp /usr/share/doc/tapedeck/config.yaml /etc/tapedeck/config.yaml
  chmod 0640 /etc/tapedeck/config.yaml
fi
if [ ! -e /etc/tapedeck/environment ]; then
  printf '# Secrets of the pipeline, such as\n# TAPEDECK_KAFKA_PASSWORD=\n' >/etc/tapedeck/environment
  chmod 0600 /etc/tapedeck/environment
fi
chown root:tapedeck /etc/tapedeck /etc/tapedeck/config.yaml
chmod 0750 /etc/tapedeck
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # An upgrade takes over from the running version; a first install starts nothing by itself.
  systemctl try-restart tapedeck.service tapedeck-ssh.service || true
fi
