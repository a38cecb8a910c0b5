#!/bin/sh
# Every test, from nothing: sets up, then checks (types, lint, format, unused), then all test projects.
# usage: sh scripts/test.sh [long]     `long` runs what takes longer than its share of `npm test`.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh parts
. scripts/env.sh

results=$(mktemp -d)
# Hundreds of processes of Node.js begin, from sources in TypeScript: what one has compiled the next needn't. Not in /tmp, where tests look for what is left.
NODE_COMPILE_CACHE=$(mktemp -d /var/tmp/elafros-compiled-XXXXXX)
export NODE_COMPILE_CACHE
lanes=
browser=
# An installation of packages isn't to be broken off.
trap 'test -z "$lanes" || kill $lanes 2>/dev/null; test -z "$browser" || wait "$browser" || true; as_root rm -rf "$results" "$NODE_COMPILE_CACHE"' EXIT
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
  # They come over the network, which two of the runs below don't have.
  as_root node scripts/test-bases.ts
  # Tests wait more than they work, so three runs share the machine: one on its network, and two beside it on networks of their own.
  for lane in "e2e conformance" "integration unit"; do
    name=${lane%% *}
    # shellcheck disable=SC2046,SC2086
    as_root sh scripts/alone.sh vitest run $(printf -- '--project %s ' $lane) $reports/$name.json >"$results/$name.txt" 2>&1 &
    lanes="$lanes $!"
  done
  as_root vitest run --project outside --project gateway $reports/outside.json || status=$?
  for lane in $lanes; do wait "$lane" || status=$?; done
  lanes=
  cat "$results"/*.txt
fi
node scripts/summary.ts "$results"/*.json || status=1
exit $status
