# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: sh /bin/snapshot-io ROUNDS PORT, which gives the same bytes to each who calls, at 10.0.2.2.
#
# Each round writes bytes of its own past the page cache, all over the disk and two at a time, and reads back
# what the round before it wrote; meanwhile one process takes bytes from the network and one takes random
# numbers. A connection doesn't survive the process that served it: what is cut off is begun again.
DISK=/dev/vda
CHUNK=1  # MiB
ROUNDS=$1
cat >/bin/lease <<'S'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
S
chmod +x /bin/lease
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -n -q -s /bin/lease || exit 1
dd if=/dev/urandom of=/tmp/seed bs=1M count=$CHUNK status=none

# Bytes of round and place: the seed behind a line that names both, cut to length.
chunk() { { printf '%-511s\n' "round $1 part $2"; cat /tmp/seed; } | head -c $((CHUNK << 20)); }
put() {
    chunk "$1" "$2" |
        dd of=$DISK bs=64k seek=$(($2 * CHUNK * 16)) iflag=fullblock oflag=direct conv=notrunc status=none
}
get() { dd if=$DISK bs=64k iflag=direct skip=$(($2 * CHUNK * 16)) count=$((CHUNK * 16)) status=none; }
same() { get "$1" "$2" >/tmp/got$2; chunk "$1" "$2" | cmp - /tmp/got$2; }
half() {  # of the disk's places: those of one of two writers
    for part in $(seq "$2" 2 7); do
        put "$1" "$part" || echo "konuk.wrong=put $1 $part"
        same "$1" "$part" || echo "konuk.wrong=same $1 $part"
    done
}
transfer() {
    sum=$(timeout 10 nc 10.0.2.2 "$1" </dev/null | md5sum | cut -d' ' -f1)
    echo "konuk.net=$sum"
}
network() {
    while [ ! -e /tmp/end ]; do transfer "$1"; done
    transfer "$1"  # the one before may have waited in vain: nobody sends, so nobody says that it is cut off
}
numbers() {
    while [ ! -e /tmp/end ]; do
        dd if=/dev/hwrng bs=512 count=8 iflag=fullblock status=none | wc -c | sed 's/^/konuk.rng=/'
        sleep 0.2
    done
}
network "$2" &
numbers &
for round in $(seq 1 "$ROUNDS"); do
    half "$round" 0 &
    one=$!
    half "$round" 1
    wait $one
    for part in $(seq 0 7); do
        same "$round" "$part" || echo "konuk.wrong=later $round $part"
    done
    echo "konuk.round=$round"
done
sleep 1
touch /tmp/end
wait
sync
echo "konuk.done=$ROUNDS"
