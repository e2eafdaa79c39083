//! What can be asked of a running agent. The answers are `inspect`'s, the way in is `api`'s.

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The state of every object.
    Show,
    /// Everything known about one object; its kind, and its id, name or device.
    Why { kind: String, name: String },
    /// What a pass over everything would do now.
    Plan,
    /// The picture.
    Topology,
    /// What was leased to whom.
    Leases,
    /// What the DHCP service would answer to whom.
    Hosts,
}
