//! The segment of a network: the `provider:*` attributes that were asked for, checked, and those that
//! were left out chosen.

use std::ops::RangeInclusive;

use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::record::{NetworkType, Provider};

const NETWORK_TYPE: &str = "provider:network_type";
const PHYSICAL_NETWORK: &str = "provider:physical_network";
const SEGMENTATION_ID: &str = "provider:segmentation_id";

/// The `provider:*` attributes of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Requested {
    network_type: Option<NetworkType>,
    physical_network: Option<String>,
    segmentation_id: Option<u32>,
}

impl Requested {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Fault> {
        Ok(Self {
            network_type: fields.parse(NETWORK_TYPE)?,
            physical_network: fields.text(PHYSICAL_NETWORK)?,
            segmentation_id: fields.number(SEGMENTATION_ID)?,
        })
    }

    /// For an update: what is given has to be what is there.
    pub(super) fn must_be(&self, provider: &Provider) -> Result<(), Fault> {
        let refuse = |field| Err(Fault::invalid(field, "it cannot be changed after the network was made"));
        if self.network_type.is_some_and(|kind| kind != provider.network_type) {
            return refuse(NETWORK_TYPE);
        }
        if self.physical_network.is_some() && self.physical_network != provider.physical_network {
            return refuse(PHYSICAL_NETWORK);
        }
        if self.segmentation_id.is_some() && self.segmentation_id != provider.segmentation_id {
            return refuse(SEGMENTATION_ID);
        }
        Ok(())
    }
}

/// The segment for a new network.
pub(super) fn allocate(draft: &Draft<'_>, requested: &Requested) -> Result<Provider, Fault> {
    let kind = requested.network_type.unwrap_or(draft.config.network_type);
    let physical_network = physical_network(draft, kind, requested)?;
    let segmentation_id = segmentation_id(draft, kind, &physical_network, requested)?;
    let provider = Provider { network_type: kind, physical_network, segmentation_id };
    match draft.state.network_on(&provider) {
        Some(other) if kind != NetworkType::Local => Err(in_use(&provider, other)),
        _ => Ok(provider),
    }
}

fn physical_network(
    draft: &Draft<'_>,
    kind: NetworkType,
    requested: &Requested,
) -> Result<Option<String>, Fault> {
    match (&requested.physical_network, kind.is_physical()) {
        (Some(_), false) => {
            Err(Fault::invalid(PHYSICAL_NETWORK, format!("a {kind} network is on no physical network")))
        }
        (None, false) => Ok(None),
        (Some(name), true) if name.is_empty() => Err(Fault::invalid(PHYSICAL_NETWORK, "it is empty")),
        (Some(name), true) => Ok(Some(name.clone())),
        (None, true) if kind == NetworkType::Vlan && requested.segmentation_id.is_none() => {
            let first = draft.config.vlans.keys().next();
            let unknown =
                || Fault::invalid(PHYSICAL_NETWORK, "no physical network has VLAN ids to choose from");
            first.cloned().map(Some).ok_or_else(unknown)
        }
        (None, true) => Err(Fault::invalid(PHYSICAL_NETWORK, format!("a {kind} network needs one"))),
    }
}

fn segmentation_id(
    draft: &Draft<'_>,
    kind: NetworkType,
    physical_network: &Option<String>,
    requested: &Requested,
) -> Result<Option<u32>, Fault> {
    let valid = match kind {
        NetworkType::Local | NetworkType::Flat => {
            return match requested.segmentation_id {
                None => Ok(None),
                Some(_) => Err(Fault::invalid(SEGMENTATION_ID, format!("a {kind} network has none"))),
            };
        }
        NetworkType::Vlan => 1..=4094,
        NetworkType::Vxlan | NetworkType::Geneve => 1..=(1 << 24) - 1,
        NetworkType::Gre => 1..=u32::MAX,
    };
    match requested.segmentation_id {
        Some(id) if valid.contains(&id) => Ok(Some(id)),
        Some(id) => {
            let reason = format!("{id} is not between {} and {}", valid.start(), valid.end());
            Err(Fault::invalid(SEGMENTATION_ID, reason))
        }
        None => lowest_free(draft, kind, physical_network).map(Some),
    }
}

fn lowest_free(draft: &Draft<'_>, kind: NetworkType, physical: &Option<String>) -> Result<u32, Fault> {
    let range = if kind == NetworkType::Vlan {
        let vlans = physical.as_ref().and_then(|name| draft.config.vlans.get(name));
        vlans.map(|vlans| u32::from(*vlans.start())..=u32::from(*vlans.end()))
    } else {
        Some(draft.config.tunnel_keys.clone())
    };
    let free = range.and_then(|range| first_gap(range, draft.state.taken_segments(kind, physical)));
    free.ok_or_else(|| {
        let on = physical.as_ref().map(|name| format!(" on physical network {name}")).unwrap_or_default();
        Fault::conflict("NoNetworkAvailable", format!("No {kind} segment is left to choose{on}."))
    })
}

/// The first number of a range that is not taken; `taken` is in order.
fn first_gap(range: RangeInclusive<u32>, taken: impl Iterator<Item = u32>) -> Option<u32> {
    let mut next = *range.start();
    for taken in taken.skip_while(|taken| taken < range.start()) {
        if taken > next {
            break;
        }
        next = taken.checked_add(1)?;
    }
    range.contains(&next).then_some(next)
}

fn in_use(provider: &Provider, other: model::NetworkId) -> Fault {
    let physical = provider.physical_network.as_deref().unwrap_or("none");
    let (kind, reason) = match provider.network_type {
        NetworkType::Flat => (
            "FlatNetworkInUse",
            format!("The flat network of physical network {physical} is in use by network {other}."),
        ),
        NetworkType::Vlan => {
            let id = provider.segmentation_id.unwrap_or_default();
            (
                "VlanIdInUse",
                format!("The VLAN {id} on physical network {physical} is in use by network {other}."),
            )
        }
        kind => {
            let id = provider.segmentation_id.unwrap_or_default();
            ("TunnelIdInUse", format!("The {kind} id {id} is in use by network {other}."))
        }
    };
    Fault::conflict(kind, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_gap_is_found() {
        assert_eq!(first_gap(1..=3, [].into_iter()), Some(1));
        assert_eq!(first_gap(1..=3, [1, 2].into_iter()), Some(3));
        assert_eq!(first_gap(1..=3, [2].into_iter()), Some(1));
        assert_eq!(first_gap(10..=12, [1, 2, 10, 12].into_iter()), Some(11));
        assert_eq!(first_gap(1..=3, [1, 2, 3].into_iter()), None);
        assert_eq!(first_gap(u32::MAX..=u32::MAX, [u32::MAX].into_iter()), None);
    }
}
