//! What the switch has: rows and flows as they were at one moment. A copy that shares its memory with
//! what follows the switch, so taking it costs nothing, and looking one object up looks at no other.
//!
//! Foreign flows are not in here. Foreign rows are, because a name may be taken and a number may be in
//! use; plans name only those with a mark of ours, and the plugs of Neutron ports.

use std::collections::BTreeMap;

use crate::mirror::Mirror;
use crate::rows::Rows;

/// See the head of this module.
#[derive(Clone, Debug, Default)]
pub struct Actual {
    pub rows: Rows,
    /// By bridge. A bridge that is not in here may have any flows: nothing is known of it.
    pub flows: BTreeMap<String, Mirror>,
}
