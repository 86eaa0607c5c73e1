# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: sh /bin/io-errors write|read. What it says is asked for by tests/guest/io-errors.
#
# write: 24 MiB that the host can't foresee to the disk, then back from it, past the page cache both times.
# read: the disk's second half, twice; the second time after the host had the chance to mend it.
DISK=/dev/vda
sum() { md5sum | cut -d' ' -f1; }
case $1 in
write)
    dd if=/dev/urandom of=/tmp/data bs=1M count=24 status=none
    echo "konuk.begun=1"
    dd if=/tmp/data of=$DISK bs=256k oflag=direct status=none
    echo "konuk.written=$?"
    dd if=/tmp/data of=$DISK bs=1M seek=32 conv=fsync status=none
    echo "konuk.buffered=$?"
    for at in 0 32; do
        dd if=$DISK bs=1M skip=$at count=24 iflag=direct status=none | cmp - /tmp/data && echo "konuk.same$at=1"
    done
    ;;
read)
    echo "konuk.begun=1"
    dd if=$DISK bs=1M skip=32 count=16 iflag=direct status=none >/tmp/data
    echo "konuk.read=$?"
    echo "konuk.sum=$(sum </tmp/data)"
    ;;
esac
# Whatever has happened: the disk and its driver go on.
dd if=$DISK of=/dev/null bs=4k count=1 iflag=direct status=none
echo "konuk.alive=$?"
dmesg | grep -c 'I/O error' | sed 's/^/konuk.errors=/'
