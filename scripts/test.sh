#!/bin/sh
# Every test, from nothing: sets up, then checks (types, lint, format, unused), then all test projects.
# usage: sh scripts/test.sh [long]     `long` runs what takes longer than its share of `npm test`.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh test
. scripts/env.sh

results=$(mktemp -d)
trap 'as_root rm -rf "$results"' EXIT
if [ "${1:-}" = long ]; then
  projects="--project long"
else
  projects="--project unit --project integration --project conformance --project e2e"
  npm run --silent check
  # The tests of the compiled build use it.
  npm run --silent build
fi
status=0
# shellcheck disable=SC2086
as_root vitest run $projects --reporter=default --reporter=json --outputFile.json="$results/results.json" || status=$?
node scripts/summary.ts "$results/results.json" || status=1
exit $status
