# Sourced by the other scripts: puts this checkout's Node.js and tools first on PATH, and defines as_root.
case $(uname -m) in aarch64 | arm64) node_arch=arm64 ;; *) node_arch=x64 ;; esac
PATH="$PWD/node_modules/node-linux-$node_arch/bin:$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin"
export PATH

# Containers, networks and mounts need root.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else
    sudo env "PATH=$PATH" "CI=${CI:-}" ${NODE_COMPILE_CACHE:+"NODE_COMPILE_CACHE=$NODE_COMPILE_CACHE"} "$@"
  fi
}
