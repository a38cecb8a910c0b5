#!/bin/sh
# Every test, from nothing: sets up, then checks (types, lint, format, unused), then all test projects.
# usage: sh scripts/test.sh [long]     `long` runs what takes longer than its share of `npm test`.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh parts
. scripts/env.sh

results=$(mktemp -d)
parts=
browser=
# An installation of packages isn't to be broken off.
trap 'test -z "$parts" || kill "$parts" 2>/dev/null; test -z "$browser" || wait "$browser" || true; as_root rm -rf "$results"' EXIT
reports="--reporter=default --reporter=json --outputFile.json=$results"

status=0
# shellcheck disable=SC2086
if [ "${1:-}" = long ]; then
  as_root vitest run --project long $reports/long.json || status=$?
else
  # The browser comes while the rest is checked.
  sh scripts/setup.sh test &
  browser=$!
  npm run --silent check
  # The tests of the compiled build use it.
  npm run --silent build
  wait "$browser"
  browser=
  # Tests wait more than they work, so two runs share the machine: that of whole platforms, and beside it that of parts, which needs no network but its own.
  as_root sh scripts/alone.sh vitest run --project integration --project conformance --project unit $reports/parts.json \
    >"$results/parts.txt" 2>&1 &
  parts=$!
  as_root vitest run --project e2e $reports/e2e.json || status=$?
  wait "$parts" || status=$?
  parts=
  cat "$results/parts.txt"
fi
node scripts/summary.ts "$results"/*.json || status=1
exit $status
