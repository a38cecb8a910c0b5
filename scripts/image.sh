#!/bin/sh
# Builds the container images of a cluster, with buildah. usage: npm run image [-- [--tools] NAME[:TAG]]
# That of controllers and gateways is made from nothing: Node.js, the libraries of this machine that it needs, the compiled program and its packages. No shell, no
# package manager, not root. With --tools, that of steps of builds: the same on a small Debian (debootstrap) with git, ssh, buildah and skopeo.
set -eu
cd "$(dirname "$0")/.."
. scripts/env.sh

version=$(node -p 'require("./package.json").version')
kind=elafros
if [ "${1:-}" = --tools ]; then
  kind=elafros-tools
  shift
fi
name=${1:-localhost/$kind:$version}
node=$PWD/node_modules/node-linux-$node_arch/bin/node
# A commit always gives the same image; with --tools, but for what Debian has at the time.
when=$(git log -1 --format=%ct 2>/dev/null || date +%s)
work=$(mktemp -d)
container=
cleanup() {
  if [ -n "$container" ]; then buildah rm "$container" > /dev/null; fi
  rm -rf "$work"
}
trap cleanup EXIT
root=$work/root

if [ $kind = elafros-tools ]; then
  suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
  {
    # Else one without Debian's keys warns, and takes whatever comes over plain HTTP.
    debootstrap --force-check-gpg --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror"
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq --no-install-recommends libatomic1 git openssh-client buildah skopeo
    rm "$root/usr/sbin/policy-rc.d"
  } > "$work/debian.log" 2>&1 || {
    tail -20 "$work/debian.log" >&2
    exit 1
  }
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/dev/*
  # In a container the layers of what is built are beside it, on the node's own disk; files of a source are whoever's.
  mkdir -p "$root/etc/containers"
  printf '[storage]\ndriver = "overlay"\ngraphroot = "/builder/cache/storage"\nrunroot = "/tmp/containers"\n' > "$root/etc/containers/storage.conf"
  printf '[safe]\n\tdirectory = *\n' > "$root/etc/gitconfig"
  printf 'elafros:x:65532:65532::/tmp:/nonexistent\n' >> "$root/etc/passwd"
  printf 'elafros:x:65532:\n' >> "$root/etc/group"
fi

# The program, compiled, with the packages that it needs and no others.
app=$root/opt/elafros
mkdir -p "$app"
tsc -p tsconfig.build.json --outDir "$app/dist" --sourceMap false
node scripts/bundle-gateway.ts "$app/dist"
cp package.json LICENSE "$app/"
mkdir "$work/packages"
cp package.json package-lock.json "$work/packages/"
(cd "$work/packages" && npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null)
mv "$work/packages/node_modules" "$app/node_modules"

# Its programs that run in builds' Pods, by their names.
program() {
  install -d "$root/usr/local/bin"
  printf '#!/usr/local/bin/node --disable-warning=ExperimentalWarning\nimport("/opt/elafros/dist/%s/main.js");\n' "$2" > "$root/usr/local/bin/$1"
  chmod 755 "$root/usr/local/bin/$1"
}
program elafros-fetch runtime/fetch
program elafros-builder runtime/builder
program elafros-prepare kubernetes/builds/prepare
program elafros-image kubernetes/builds/result

# Node.js, the loader and libraries that it names, and what allows to pass them on.
install -D -m 755 "$node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/share/licenses"
cp "$(dirname "$node")/../LICENSE" "$root/usr/share/licenses/node"
if [ $kind = elafros ]; then ldd "$node" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | while read -r library; do
  install -D -m 755 "$(readlink -f "$library")" "$root$library"
  package=$(dpkg -S "$(readlink -f "$library")" "$library" 2>/dev/null | head -1 | sed 's/: .*//; s/:.*//')
  if [ -n "$package" ]; then cp "/usr/share/doc/$package/copyright" "$root/usr/share/licenses/$package"; fi
done; fi

mkdir -p "$root/etc" "$root/tmp" "$root/var/lib/elafros"
chmod 1777 "$root/tmp"
if [ $kind = elafros ]; then
  printf 'root:x:0:0::/:/nonexistent\nelafros:x:65532:65532::/tmp:/nonexistent\n' > "$root/etc/passwd"
  printf 'root:x:0:\nelafros:x:65532:\n' > "$root/etc/group"
  printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
fi
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

container=$(buildah from scratch)
buildah copy --quiet "$container" "$root" / > /dev/null
path=/usr/local/bin
if [ $kind = elafros-tools ]; then
  path=$path:/usr/sbin:/usr/bin:/sbin:/bin
  # The platform brings no base images to a Pod: buildah fetches them.
  buildah config --env BUILDAH_ISOLATION=chroot --env ELAFROS_BASE_IMAGES=pull --env LANG=C.UTF-8 "$container"
fi
buildah config --user 65532:65532 --workingdir / --env PATH=$path --env HOME=/tmp --env NODE_ENV=production \
  --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
  --entrypoint '["node", "--disable-warning=ExperimentalWarning", "/opt/elafros/dist/cli/main.js"]' --cmd '["--version"]' \
  --label "org.opencontainers.image.title=$kind" --label "org.opencontainers.image.version=$version" \
  --label "org.opencontainers.image.licenses=Apache-2.0" "$container"
# An image that doesn't start is none.
said=$(buildah run --isolation chroot --user 65532:65532 "$container" -- node /opt/elafros/dist/cli/main.js --version)
case $said in
  *"$version"*) ;;
  *)
    echo "image.sh: the image was to say that it is version $version, and says: $said" >&2
    exit 1
    ;;
esac
buildah commit --quiet --timestamp "$when" "$container" "$name" > /dev/null
echo "Built $name, $(du -sm "$root" | cut -f1) MB: push it with 'buildah push $name docker://REGISTRY/$kind:$version'"
