//! The addresses of a port: what was asked for in `fixed_ips`, checked, and the rest chosen.

use std::net::IpAddr;

use model::{Mac, NetworkId, PortId, PortOwner, SubnetId};

use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::record::{FixedIp, Subnet};
use super::{ipam, subnets};

/// One entry of `fixed_ips` in a request: a subnet, an address or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) subnet: Option<SubnetId>,
    pub(super) address: Option<IpAddr>,
}

impl Wish {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Fault> {
        let wish = Self { subnet: fields.parse("subnet_id")?, address: fields.parse("ip_address")? };
        // openstacksdk sends back the name that it looked a subnet up by.
        fields.tolerate(&["subnet"]);
        match wish {
            Self { subnet: None, address: None } => {
                Err(Fault::invalid("", "it has neither subnet_id nor ip_address"))
            }
            wish => Ok(wish),
        }
    }

    /// Any address of a subnet.
    pub(super) fn on(subnet: SubnetId) -> Self {
        Self { subnet: Some(subnet), address: None }
    }

    /// Just this address.
    pub(super) fn exactly(subnet: SubnetId, address: IpAddr) -> Self {
        Self { subnet: Some(subnet), address: Some(address) }
    }
}

/// Whom addresses are for.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) port: PortId,
    pub(super) network: NetworkId,
    pub(super) mac: Mac,
    pub(super) owner: PortOwner,
}

/// The addresses for a list of wishes. Where a wish names only a subnet, an address that the port has
/// there already (`has`) is kept.
pub(super) fn grant(
    draft: &mut Draft<'_>,
    holder: &Holder,
    wishes: &[Wish],
    has: &[FixedIp],
) -> Result<Vec<FixedIp>, Fault> {
    let mut granted: Vec<FixedIp> = Vec::new();
    // Those that name an address go first, so that none of them is chosen for another wish.
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|index| wishes[*index].address.is_none());
    for index in order {
        let name = format!("fixed_ips[{index}]");
        let fixed =
            grant_one(draft, holder, &wishes[index], has, &granted).map_err(|fault| fault.under(&name))?;
        draft.state.reserve(fixed.subnet_id, fixed.ip_address);
        granted.push(fixed);
    }
    Ok(granted)
}

fn grant_one(
    draft: &Draft<'_>,
    holder: &Holder,
    wish: &Wish,
    has: &[FixedIp],
    granted: &[FixedIp],
) -> Result<FixedIp, Fault> {
    let subnet = subnet_of(draft, holder, wish)?;
    let fixed = |address| FixedIp { subnet_id: subnet.id, ip_address: address };
    match wish.address {
        Some(address) => {
            check(draft, holder, subnet, address)?;
            if granted.contains(&fixed(address)) {
                return Err(Fault::invalid("ip_address", format!("{address} is there twice")));
            }
            Ok(fixed(address))
        }
        None => {
            let kept = has.iter().find(|fixed| fixed.subnet_id == subnet.id && !granted.contains(fixed));
            match kept {
                Some(kept) => Ok(kept.clone()),
                None => choose(draft, holder, subnet).map(fixed),
            }
        }
    }
}

fn subnet_of<'a>(draft: &'a Draft<'_>, holder: &Holder, wish: &Wish) -> Result<&'a Subnet, Fault> {
    let network = holder.network;
    match (wish.subnet, wish.address) {
        (Some(id), _) => {
            let subnet = draft.subnet(id)?;
            if subnet.network != network {
                let reason = format!("subnet {id} is not on network {network}");
                return Err(Fault::invalid("subnet_id", reason));
            }
            Ok(subnet)
        }
        (None, Some(address)) => {
            let mut subnets = draft.state.subnets_of(network);
            let found = subnets.find(|subnet| subnet.cidr.contains(&address));
            let none =
                || Fault::invalid("ip_address", format!("{address} is on no subnet of network {network}"));
            found.map(|subnet| &**subnet).ok_or_else(none)
        }
        (None, None) => Err(Fault::invalid("", "it has neither subnet_id nor ip_address")),
    }
}

fn check(draft: &Draft<'_>, holder: &Holder, subnet: &Subnet, address: IpAddr) -> Result<(), Fault> {
    if !subnets::is_host(subnet.cidr, address) {
        let reason = format!("{address} is not an address that a host of {} can have", subnet.cidr);
        return Err(Fault::invalid("ip_address", reason));
    }
    match draft.state.port_with_address(subnet.id, address) {
        Some(other) if other != holder.port => {
            let reason = format!(
                "Unable to complete operation for network {}. The IP address {address} is in use by port {other}.",
                holder.network
            );
            return Err(Fault::conflict("IpAddressInUse", reason));
        }
        _ => {}
    }
    let derived = ipam::derived_address(subnet.cidr, holder.mac);
    if subnet.derives_addresses() && address != derived && !holder.owner.is_network_service() {
        let reason =
            format!("hosts of this subnet derive their addresses, of {} it is {derived}", holder.mac);
        return Err(Fault::invalid("ip_address", reason));
    }
    Ok(())
}

fn choose(draft: &Draft<'_>, holder: &Holder, subnet: &Subnet) -> Result<IpAddr, Fault> {
    if subnet.derives_addresses() {
        let derived = ipam::derived_address(subnet.cidr, holder.mac);
        check(draft, holder, subnet, derived)?;
        return Ok(derived);
    }
    let lowest = draft.state.free(subnet.id).and_then(|free| free.lowest(subnet.cidr.addr()));
    lowest.ok_or_else(|| exhausted(holder.network))
}

/// The wishes of a port that names none: an IPv4 address if the network has an IPv4 subnet, likewise
/// IPv6, and an address on each subnet whose hosts derive their own. Full subnets are passed over.
pub(super) fn usual(draft: &Draft<'_>, network: NetworkId) -> Result<Vec<Wish>, Fault> {
    let subnets: Vec<&Subnet> = draft.state.subnets_of(network).map(|subnet| &**subnet).collect();
    let mut wishes = Vec::new();
    for version in [4, 6] {
        let mut of_version = subnets
            .iter()
            .filter(|s| subnets::ip_version(s.cidr) == version && !s.derives_addresses())
            .peekable();
        if of_version.peek().is_none() {
            continue;
        }
        let has_room = |subnet: &&&Subnet| {
            draft.state.free(subnet.id).is_some_and(|free| free.lowest(subnet.cidr.addr()).is_some())
        };
        let chosen = of_version.find(has_room).ok_or_else(|| exhausted(network))?;
        wishes.push(Wish::on(chosen.id));
    }
    wishes
        .extend(subnets.iter().filter(|subnet| subnet.derives_addresses()).map(|subnet| Wish::on(subnet.id)));
    Ok(wishes)
}

fn exhausted(network: NetworkId) -> Fault {
    let reason = format!("No more IP addresses available on network {network}.");
    Fault::conflict("IpAddressGenerationFailure", reason)
}
