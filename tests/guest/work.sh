# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs in a guest: keeps two vCPUs busy for a moment with pipes, forks, timers and arithmetic whose
# results are known, and then reports. Something that was lost or changed shows as another result.
same() { sort | uniq -c | sed 's/^ */konuk.work=/'; }
sums() {
    for round in 1 2 3 4 5 6 7 8; do
        seq 1 3000 | gzip -1 | gunzip | md5sum
        sleep 0.05
    done | same
}
numbers() {
    for round in 1 2 3 4 5 6 7 8; do
        awk 'BEGIN { for (i = 1; i <= 20000; i++) s += (i % 7) / i; printf "%.6f\n", s }'
    done | same
}
sums >/tmp/sums &
numbers >/tmp/numbers &
wait
cat /tmp/sums /tmp/numbers
. /bin/report
