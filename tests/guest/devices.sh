# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs in a guest with two disks, a network card and a source of random numbers: uses each, and says
# what came of it.
size() { echo $(($(cat /sys/block/$1/size) / 2048)); }
first=vda second=vdb
[ "$(cat /sys/block/vda/serial)" = first ] || first=vdb second=vda
echo "konuk.disks=$(cat /sys/block/$first/serial) $(size $first) $(size $second)"
head -c 8M /dev/urandom >/tmp/random
dd if=/tmp/random of=/dev/$first bs=256k 2>/dev/null && sync || exit 1
echo 3 >/proc/sys/vm/drop_caches
written=$(md5sum </tmp/random) && read=$(head -c 8M /dev/$first | md5sum)
[ "$written" = "$read" ] && echo "konuk.data=same"
mke2fs -F /dev/$second >/dev/null 2>&1 && echo "konuk.mke2fs=good"
blockdev --getro /dev/$second | sed 's/^/konuk.readonly=/'
ip link set eth0 up
udhcpc -i eth0 -n -q -t 10 2>&1 | sed -n 's/.*lease of \([0-9.]*\) .*/konuk.lease=\1/p'
echo "konuk.mac=$(cat /sys/class/net/eth0/address)"
echo "konuk.rng=$(head -c 256 /dev/hwrng | wc -c) $(cat /sys/class/misc/hw_random/rng_current)"
. /bin/report
