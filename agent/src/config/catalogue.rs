//! Options of Neutron that are not used here.

/// The names that an option had before: section and option.
pub(crate) fn old_names(section: &str, option: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    RENAMED.iter().filter(move |(new, _)| *new == (section, option)).map(|(_, old)| *old)
}

const RENAMED: &[((&str, &str), (&str, &str))] = &[
    (("DEFAULT", "log_file"), ("DEFAULT", "logfile")),
    (("DEFAULT", "log_dir"), ("DEFAULT", "logdir")),
    (("DEFAULT", "nova_metadata_host"), ("DEFAULT", "nova_metadata_ip")),
    (("ovs", "ovsdb_timeout"), ("DEFAULT", "ovs_vsctl_timeout")),
];
