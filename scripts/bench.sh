#!/bin/sh
# Runs one benchmark of `bench/` against the compiled build. usage: npm run bench -- NAME [options]
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh bench
. scripts/env.sh
name=${1:-}
if [ -z "$name" ] || [ ! -f "bench/$name.ts" ]; then
  echo "usage: npm run bench -- NAME, one of: $(cd bench && ls ./*.ts | sed 's|^\./||; s|\.ts$||' | tr '\n' ' ')" >&2
  exit 2
fi
shift
npm run --silent build
# With control's own flags: some of its parts are measured in the benchmark's process.
as_root env ELAFROS_COMPILED=1 node --disable-warning=ExperimentalWarning --max-semi-space-size=1 --heap-growing-percent=30 "bench/$name.ts" "$@"
