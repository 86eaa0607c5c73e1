# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs in a guest, in the folder of a project's sources: stress-ng, `make -j2` again and again, and fio,
# all at once for $1 seconds. Ends with lines of NAME=VALUE; what went wrong is in NAME.log.
seconds=$1
until=$(($(date +%s) + seconds))
left() { [ "$(date +%s)" -lt $until ]; }

stress() {
    stress-ng --cpu 1 --vm 1 --vm-bytes 64M --switch 1 --fork 1 --verify --timeout "$seconds" --metrics-brief
}
# The same sources are the same bytes each time, by whichever processes they were made.
build() {
    builds=0
    while left; do
        make -s -j2 || return 1
        find . -name '*.o' -o -name '*.so' | sort | xargs sha256sum | sha256sum >>sums
        make -s clean || return 1
        builds=$((builds + 1))
        echo $builds >builds
    done
    [ "$(sort -u sums | wc -l)" = 1 ]
}
# One job on a disk, one in the root's file system; each is verified as it goes and once more at the end.
verify() {
    passes=0
    while left; do
        fio --output-format=terse --ioengine=libaio --direct=1 --rw=randrw --bsrange=4k-128k --iodepth=8 \
            --verify=crc32c --verify_fatal=1 --verify_backlog=256 --randseed=$((passes + 1)) \
            --name=disk --filename=/dev/vdc --size=128M --name=file --filename=/root/fio --size=64M || return 1
        passes=$((passes + 1))
        echo $passes >passes
    done
}

rm -f sums
for name in stress build verify; do
    { "$name"; echo "$name=$?" >"$name.status"; } >"$name.log" 2>&1 &
done
wait
cat stress.status build.status verify.status
echo "builds=$(cat builds)" "passes=$(cat passes)"
