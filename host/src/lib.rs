//! Kernel hands: namespaces, links, addresses, routes, nftables, conntrack, sockets.
