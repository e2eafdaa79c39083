//! `dnsmasq_config_file`: more settings for the dnsmasq that the Python agent runs for each network. They
//! are not taken over; an operator is told which of them do something.

use crate::config::values::Values;

/// Looks into the file, if there is one.
pub(super) fn check(values: &mut Values) {
    let name = option!(
        "DEFAULT",
        "dnsmasq_config_file",
        "settings of a dnsmasq that is not run; what matters is told"
    );
    let file = values.get(name, String::new());
    if file.is_empty() {
        return;
    }
    // A file that is not there says nothing; it may be in the container of the Python agent.
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let settings = settings(&text);
    if !settings.is_empty() {
        let settings = settings.join(", ");
        values.warn(name, &format!("of {file} these settings are not followed: {settings}"));
    }
}

/// The settings that change what guests get, each once.
fn settings(text: &str) -> Vec<&str> {
    const HARMLESS: [&str; 6] = ["log-", "quiet-", "dhcp-authoritative", "dhcp-lease-max", "no-", "port"];
    let mut settings: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('=').next().unwrap_or(line).trim())
        .filter(|setting| !HARMLESS.iter().any(|harmless| setting.starts_with(harmless)))
        .collect();
    settings.sort_unstable();
    settings.dedup();
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_guests_notice_is_told() {
        let text = "# a comment\nlog-facility=/var/log/x\n\ndhcp-option=option:ntp-server,192.0.2.1\n dhcp-option=26,1400\nserver=192.0.2.2\n";
        assert_eq!(settings(text), ["dhcp-option", "server"]);
    }
}
