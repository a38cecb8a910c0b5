#!/bin/sh
# The demo, from nothing: sets up, starts the platform, plays the normative examples, leaves it running.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
. scripts/env.sh
as_root node --disable-warning=ExperimentalWarning scripts/demo.ts "$@"
