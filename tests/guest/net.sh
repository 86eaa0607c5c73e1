#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In the guest: sh /bin/net PORT-THAT-GIVES PORT-THAT-TAKES, both of 10.0.2.2.
cat >/bin/lease <<'S'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "konuk.address=$ip"
S
chmod +x /bin/lease
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -n -q -s /bin/lease || exit 1
ping -c 1 10.0.2.2
echo "konuk.ping=$?"
nc 10.0.2.2 "$1" </dev/null >/tmp/data
echo "konuk.got=$(md5sum </tmp/data | cut -d' ' -f1)"
nc 10.0.2.2 "$2" </tmp/data
echo cevap | nc -l -p 7 >/tmp/question
grep soru /tmp/question
