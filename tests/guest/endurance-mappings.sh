# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs where /dev/kvm is: sh mappings VMM. What the VMM has mapped while its guest runs.
$1 -M q35 -accel kvm -cpu max,-xsave -m 256 -display none -nodefaults -serial file:/tmp/serial \
    -kernel /work/vmlinuz -initrd /work/initramfs -append 'console=ttyS0 panic=-1 mitigations=off konuk.run="sleep 1000"' &
vm=$!
tries=0
until grep -q "Run /init" /tmp/serial 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 1500 ] && kill -0 $vm || { cat /tmp/serial; exit 1; }
    sleep 0.2
done
cat /proc/$vm/maps
kill $vm
