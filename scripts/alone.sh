#!/bin/sh
# Runs a command on a network of its own, with nothing but a loopback: no port, rule or device of it meets any of the machine's. Needs root.
# usage: sh scripts/alone.sh COMMAND [ARGUMENT...]
set -eu
exec unshare --net --mount --propagation private sh -euc '
ip link set lo up
# What the machine has, as a router or for Docker, would be inherited.
echo 0 >/proc/sys/net/ipv4/ip_forward
# /sys shows the network of whoever mounted it, and control groups are mounted below.
keep=$(mktemp -d)
mount --rbind /sys/fs/cgroup "$keep"
umount -l /sys
mount -t sysfs sysfs /sys
mount --move "$keep" /sys/fs/cgroup
rmdir "$keep"
exec "$@"' sh "$@"
