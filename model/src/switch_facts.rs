//! What a node's switch tells upwards, whatever is wanted of it: which ports are plugged in, and what
//! the switch is able to do. A controller that has to be asked about a port learns here that there is one
//! to ask about.
//!
//! It says nothing of whether a port is as wanted: that is a [`crate::Report`].

use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

use crate::PortId;

/// The switch as a controller needs to know it. Copying costs nothing, comparing costs the difference.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SwitchFacts {
    /// Whether the switch's database can be read. The rest is as it was last seen while it cannot.
    pub alive: bool,
    /// Every Neutron port that has an interface on the switch, with the rows of its interfaces. A port that
    /// is unplugged and plugged again gets another row, however quickly it was done.
    pub plugged: OrdMap<PortId, OrdSet<Uuid>>,
    /// `Open_vSwitch.datapath_types`
    pub datapath_types: OrdSet<String>,
    /// `Open_vSwitch.iface_types`
    pub interface_types: OrdSet<String>,
}
