//! Draws a [`Picture`] for a terminal: networks as bars, routers between them, ports hanging below.

use std::fmt::Write as _;

use super::{NetworkBox, Picture, PortBox, RouterBox};

/// The picture as lines of text. Writing to a string cannot fail, so results are dropped.
pub(crate) fn draw(picture: &Picture) -> String {
    let mut out = String::new();
    let (outside, inside): (Vec<_>, Vec<_>) = picture.networks.iter().partition(|network| network.external);
    let _ = writeln!(out, "node {}", picture.host);
    for network in outside {
        bar(&mut out, network);
    }
    for router in &picture.routers {
        draw_router(&mut out, picture, router);
    }
    for network in inside {
        bar(&mut out, network);
    }
    let _ = writeln!(out, "\n✓ as wanted   ○ not plugged in yet   … waiting   ✗ failed   · not on this node");
    out
}

fn bar(out: &mut String, network: &NetworkBox) {
    let subnets = network.subnets.join(", ");
    let title = format!("{} {}  {}  {}", network.state.mark(), network.name, network.carrier, subnets);
    let _ = writeln!(out, "\n══╡ {title} ╞{}", "═".repeat(72usize.saturating_sub(title.chars().count())));
    reason(out, "   ", network.state.reason());
    let last = network.ports.len().saturating_sub(1);
    for (number, port) in network.ports.iter().enumerate() {
        draw_port(out, port, if number == last { "└" } else { "├" });
    }
}

fn draw_port(out: &mut String, port: &PortBox, joint: &str) {
    let addresses = port.addresses.join(", ");
    let floating = port.floating.as_ref().map_or_else(String::new, |ip| format!("  ⇄ {ip}"));
    let host = port.host.as_ref().map_or("on no node", String::as_str);
    let _ = writeln!(
        out,
        "   {joint}─ {} {:<16} {addresses:<16} {}  {host}{floating}",
        port.state.mark(),
        port.name,
        port.mac
    );
    reason(out, "        ", port.state.reason());
}

fn draw_router(out: &mut String, picture: &Picture, router: &RouterBox) {
    let host = router.host.as_deref().unwrap_or("on no node");
    let _ = writeln!(out, "\n   ┌─ {} router {}  {host}", router.state.mark(), router.name);
    reason(out, "   │  ", router.state.reason());
    let last = router.legs.len().saturating_sub(1);
    for (number, leg) in router.legs.iter().enumerate() {
        let network = picture.networks.iter().find(|network| network.id == leg.network);
        let network = network.map_or(leg.network.as_str(), |network| network.name.as_str());
        let way = match (leg.gateway, router.snat) {
            (true, true) => "  gateway, source NAT",
            (true, false) => "  gateway",
            (false, _) => "",
        };
        let joint = if number == last { "└" } else { "├" };
        let addresses = leg.addresses.join(", ");
        let _ = writeln!(out, "   {joint}─ {network:<16} {addresses:<16} {}{way}", leg.device);
    }
}

fn reason(out: &mut String, indent: &str, reason: Option<&str>) {
    if let Some(reason) = reason {
        let _ = writeln!(out, "{indent}{reason}");
    }
}
