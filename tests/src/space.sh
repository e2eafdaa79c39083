# Process 1 of a space: private mounts, then reap whatever is left to it. $0 is the name.
set -e
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/netns /run/openvswitch /run/lock /run/tmp
chmod 1777 /run/tmp
for folder in /etc/openvswitch /var/lib/openvswitch /var/log/openvswitch /var/lib/baryon; do
    [ ! -d "$folder" ] || mount -t tmpfs -o mode=755 space "$folder"
done
hostname "$0"
ip link set lo up
# An address that is still being checked for a duplicate cannot be used: every test would wait for it.
echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
echo ready
exec > /dev/null
while :; do
    sleep 100000 &
    wait
done
