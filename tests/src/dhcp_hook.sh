#!/bin/sh
# The hook of all three DHCP clients: put the lease into effect and write down what came.
# udhcpc tells the event in $1 and the lease in plain names; the others tell both in the
# environment, the lease in names with new_.
event=${1:-$reason}
case $event in
deconfig | PREINIT)
    ip link set "$interface" up
    exit 0 ;;
bound | renew | BOUND | RENEW | REBIND | REBOOT) ;;
*) exit 0 ;;
esac

address=${ip:-$new_ip_address}
netmask=${subnet:-$new_subnet_mask}
set -- ${staticroutes:-$new_classless_static_routes}
# dhclient hands out option 121 as bare numbers: length, significant octets, gateway.
if [ -n "$new_rfc3442_classless_static_routes" ]; then
    numbers=$new_rfc3442_classless_static_routes
    set -- $(echo "$numbers" | awk '{
        for (i = 1; i <= NF; i += n + 5) {
            n = int(($i + 7) / 8); net = ""
            for (j = 1; j <= 4; j++) net = net (j > 1 ? "." : "") (j <= n ? $(i + j) : 0)
            print net "/" $i, $(i + n + 1) "." $(i + n + 2) "." $(i + n + 3) "." $(i + n + 4)
        }
    }')
fi
routers=${router:-$new_routers}
[ $# -gt 0 ] || [ -z "$routers" ] || set -- 0.0.0.0/0 "${routers%% *}"

ip address replace "$address/$netmask" dev "$interface"
mtu_wanted=${mtu:-$new_interface_mtu}
[ -z "$mtu_wanted" ] || ip link set "$interface" mtu "$mtu_wanted"
while [ $# -ge 2 ]; do
    case $2 in
    0.0.0.0) ip route replace "$1" dev "$interface" ;;
    *) ip route replace "$1" via "$2" dev "$interface" ;;
    esac
    shift 2
done
set > "$LEASE"
