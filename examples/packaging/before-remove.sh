#!/bin/sh
# Stops in order; data and configuration stay. An upgrade comes by here, too,
# and says so: 1 (rpm) or "upgrade" (deb).
set -e
case "${1:-}" in 1 | upgrade) exit 0 ;; esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now tapedeck.service tapedeck-ssh.service || true
fi
