#!/bin/sh
# Sets up what a checkout needs and is missing: Debian packages, npm packages, and with them Node.js. Fast when all is there.
# usage: sh scripts/setup.sh [test|parts|bench]     `test` adds what only the tests use, `parts` all of that but the browser, `bench` what the
# benchmarks compare with besides.
set -eu
cd "$(dirname "$0")/.."

# libatomic1 and libstdc++6 are what the packaged Node.js is linked with.
runtime="ca-certificates libatomic1 libstdc++6 util-linux conmon runc crun podman buildah skopeo golang-github-containers-common iproute2 nftables dnsmasq-base git openssh-client"
# The demo makes its images and serves them from a registry of its own.
demo="busybox-static docker-registry apache2-utils curl"
wanted="$runtime $demo"
tests="procps openssl bsdutils openssh-server nginx-light nghttp2-client pebble libnss3-tools"
# 300 MB, which is why it can come after the others.
browser="chromium-headless-shell"
case ${1:-} in
  test) wanted="$wanted $tests $browser" ;;
  parts) wanted="$wanted $tests" ;;
  bench) wanted="$wanted $tests haproxy wrk" ;;
esac

say() { echo "setup: $*"; }
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else echo "setup: root is needed to run: $*; install sudo or run this as root" >&2; exit 1; fi
}

if command -v apt-get >/dev/null; then
  missing=
  for package in $wanted; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
      *" installed") ;;
      *) missing="$missing $package" ;;
    esac
  done
  if [ -n "$missing" ]; then
    say "installing Debian packages:$missing"
    # No package may start a service of its own on this machine.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
      printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
      as_root chmod 755 $policy
      trap 'as_root rm -f $policy' EXIT
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    case " $missing " in
      *" $browser "*)
        if ! apt-cache show "$browser" >/dev/null 2>&1; then
          say "this distribution has no package $browser: its tests are skipped"
          missing=$(echo " $missing " | sed "s/ $browser / /")
        fi ;;
    esac
    # shellcheck disable=SC2086
    test -z "$(echo $missing)" ||
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  fi
else
  say "this is no Debian or Ubuntu: install by hand what 'bin/elafros doctor' names"
fi

stamp=node_modules/.setup-stamp
if [ ! -f $stamp ] || ! cmp -s package-lock.json $stamp; then
  command -v npm >/dev/null || { echo "setup: npm is needed: apt-get install npm" >&2; exit 1; }
  say "installing npm packages, Node.js among them"
  install="ci --no-audit --no-fund --loglevel=error"
  # shellcheck disable=SC2086
  npm $install
  # An older Node.js leaves out, without a word, optional packages that ask for a newer one: the tools' own programs. So again, by what has just come.
  if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 24 ]; then
    case $(uname -m) in aarch64 | arm64) arch=arm64 ;; *) arch=x64 ;; esac
    own=$(mktemp -d)
    cp -R "node_modules/node-linux-$arch" node_modules/npm "$own"
    # shellcheck disable=SC2086
    PATH="$own/node-linux-$arch/bin:$PATH" node "$own/npm/bin/npm-cli.js" $install
    rm -rf "$own"
  fi
  cp package-lock.json $stamp
fi
