#!/usr/bin/env bash
# Plays event.json to the built function through the Lambda runtime protocol, with SNS played by a local server.
set -euo pipefail
cd "$(dirname "$0")/../.."
go test -count=1 -run TestTheExampleEvent ./cmd/alert-lambda/
