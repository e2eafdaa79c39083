//! The other DHCP servers, configured for the same hosts: dnsmasq as Neutron's agent starts it, with its
//! hosts, options and lease files, and Kea with its hosts as reservations and its leases in memory and a file.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::json;

use crate::dhcp_serve::{FIRST, mac};

/// Gives the command. The device must have 10.0.0.2.
pub(crate) fn dnsmasq(folder: &Path, device: &str, hosts: u32) -> anyhow::Result<String> {
    let (mut host, mut names, mut leases) = (String::new(), String::new(), String::new());
    for index in 0..hosts {
        let (mac, address) = (mac(index), Ipv4Addr::from_bits(FIRST + index));
        let name = format!("host-{}", address.to_string().replace('.', "-"));
        writeln!(host, "{mac},{name}.openstacklocal,{address}")?;
        writeln!(names, "{address}\t{name}.openstacklocal {name}")?;
        writeln!(leases, "0 {mac} {address} * *")?;
    }
    let options = "tag:subnet-1,option:dns-server,9.9.9.9\n\
                   tag:subnet-1,option:classless-static-route,169.254.169.254/32,10.0.0.1,0.0.0.0/0,10.0.0.1\n\
                   tag:subnet-1,249,169.254.169.254/32,10.0.0.1,0.0.0.0/0,10.0.0.1\n\
                   tag:subnet-1,option:router,10.0.0.1\n";
    std::fs::create_dir_all(folder)?;
    for (file, text) in
        [("host", host.as_str()), ("addn_hosts", &names), ("opts", options), ("leases", &leases)]
    {
        std::fs::write(folder.join(file), text)?;
    }
    let d = folder.display();
    Ok(format!(
        "dnsmasq --keep-in-foreground --user=root --no-hosts --no-resolv --pid-file={d}/pid \
         --dhcp-hostsfile={d}/host --addn-hosts={d}/addn_hosts --dhcp-optsfile={d}/opts \
         --dhcp-leasefile={d}/leases --dhcp-match=set:ipxe,175 --dhcp-userclass=set:ipxe6,iPXE --local-service \
         --bind-dynamic --interface={device} --dhcp-range=set:subnet-1,10.0.0.0,static,255.0.0.0,86400s \
         --dhcp-option-force=option:mtu,1450 --dhcp-lease-max=16777216 --conf-file=/dev/null \
         --domain=openstacklocal --log-facility={d}/log"
    ))
}

/// Gives the command. The device must have 10.0.0.2.
pub(crate) fn kea(folder: &Path, device: &str, hosts: u32) -> anyhow::Result<String> {
    let reservation = |index| {
        let address = Ipv4Addr::from_bits(FIRST + index);
        json!({ "hw-address": mac(index).to_string(), "ip-address": address.to_string(),
                "hostname": format!("host-{}", address.to_string().replace('.', "-")) })
    };
    let config = json!({ "Dhcp4": {
        "interfaces-config": { "interfaces": [device] },
        "lease-database": { "type": "memfile", "persist": true, "name": folder.join("leases.csv") },
        "host-reservation-identifiers": ["hw-address"],
        "valid-lifetime": 86400,
        "option-data": [
            { "name": "domain-name-servers", "data": "9.9.9.9" },
            { "name": "routers", "data": "10.0.0.1" },
        ],
        "subnet4": [{
            "id": 1,
            "subnet": "10.0.0.0/8",
            "reservations-in-subnet": true,
            "reservations": (0..hosts).map(reservation).collect::<Vec<_>>(),
        }],
        "loggers": [{
            "name": "kea-dhcp4",
            "severity": "INFO",
            "output_options": [{ "output": folder.join("log") }],
        }],
    }});
    std::fs::create_dir_all(folder)?;
    std::fs::create_dir_all("/run/kea")?;
    std::fs::write(folder.join("kea.json"), config.to_string())?;
    Ok(format!("kea-dhcp4 -c {}/kea.json", folder.display()))
}
