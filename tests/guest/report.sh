# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs in a guest, at the end of its boot: says what that came to, `konuk.NAME=VALUE` a line.
cpu=/sys/devices/system/cpu clock=/sys/devices/system/clocksource/clocksource0
echo "konuk.cpus=$(grep -c ^processor /proc/cpuinfo)"
echo "konuk.clocksource=$(cat $clock/current_clocksource)"
echo "konuk.seconds=$(date +%s)"
grep . $cpu/vulnerabilities/* | sed 's,^.*vulnerabilities/,konuk.mitigation=,'
# Level 4 is a warning; 0 to 3 are worse.
dmesg -r | sed -n 's/^<[0-4]>/konuk.warning=/p'
grep -q ttyS0 /proc/consoles || exit 1
sleep 0.2
dd if=/dev/zero of=/tmp/file bs=64k count=64 2>/dev/null || exit 1
sync
echo "konuk.sum=$(md5sum </tmp/file | cut -c 1-32)"
