//! Draws a [`Picture`] as SVG: networks are horizontal bars, routers stand between the outside networks
//! above and the inside ones below, ports hang under their network. No script, no external file.

use std::fmt::Write as _;

use super::{NetworkBox, Picture, PortBox, PortKind, RouterBox, State};

const MARGIN: usize = 24;
const BAR_HEIGHT: usize = 34;
const CARD_WIDTH: usize = 190;
const CARD_HEIGHT: usize = 74;
const GAP: usize = 16;
/// Cards in a row under a network before the next row begins.
const COLUMNS: usize = 5;
const ROUTER_WIDTH: usize = 220;
const ROUTER_HEIGHT: usize = 52;
/// Between two lanes at the right, in which lines run down past networks to others.
const LANE: usize = 12;
/// More networks than this share lanes.
const LANES: usize = 40;
/// Vertical room that a row of routers takes, lines included.
const ROUTER_ROW: usize = ROUTER_HEIGHT + 4 * GAP;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1b1f24}.s{font-size:11px;fill:#57606a}\
.t{font-weight:600}.bar{fill:#dbe7ff;stroke:#5b7fd1}.ext{fill:#e2f3e4;stroke:#4e9a5b}\
.card{fill:#fff;stroke:#c5ccd3}.router{fill:#fff4d6;stroke:#c79a2b}.line{stroke:#8a94a0;stroke-width:2;fill:none}\
.right{fill:#2da44e}.expecting{fill:#fff;stroke:#2da44e;stroke-width:2}.waiting{fill:#d4a72c}.failed{fill:#cf222e}.elsewhere{fill:#afb8c1}";

/// The picture as one SVG document.
pub(crate) fn draw(picture: &Picture) -> String {
    let inside = picture.networks.iter().filter(|network| !network.external).count();
    let cards = MARGIN + COLUMNS * (CARD_WIDTH + GAP);
    let width = cards + LANE * (1 + inside.min(LANES)) + MARGIN;
    let layout = Layout::new(picture, width);
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\"><style>{STYLE}</style>\
         <rect width=\"100%\" height=\"100%\" fill=\"#f6f8fa\"/>",
        height = layout.height
    );
    text(&mut out, MARGIN, MARGIN + 6, "t", &format!("node {}", picture.host));
    for router in &layout.routers {
        lines(&mut out, &layout, router);
    }
    for (network, y) in &layout.networks {
        draw_network(&mut out, network, *y, width);
    }
    for router in &layout.routers {
        draw_router(&mut out, router);
    }
    out.push_str("</svg>\n");
    out
}

/// Where everything goes: y of every network, place of every router.
struct Layout<'a> {
    networks: Vec<(&'a NetworkBox, usize)>,
    routers: Vec<Placed<'a>>,
    width: usize,
    height: usize,
}

struct Placed<'a> {
    router: &'a RouterBox,
    x: usize,
    y: usize,
}

impl<'a> Layout<'a> {
    fn new(picture: &'a Picture, width: usize) -> Self {
        let (outside, inside): (Vec<_>, Vec<_>) =
            picture.networks.iter().partition(|network| network.external);
        let mut y = 2 * MARGIN;
        let mut networks = Vec::new();
        for network in outside {
            networks.push((network, y));
            y += network_height(network) + GAP;
        }
        let per_row = ((width - 2 * MARGIN + GAP) / (ROUTER_WIDTH + GAP)).max(1);
        let mut routers = Vec::new();
        for (number, router) in picture.routers.iter().enumerate() {
            let x = MARGIN + (number % per_row) * (ROUTER_WIDTH + GAP);
            routers.push(Placed { router, x, y: y + (number / per_row) * ROUTER_ROW + 2 * GAP });
        }
        y += picture.routers.len().div_ceil(per_row) * ROUTER_ROW + 2 * GAP;
        for network in inside {
            networks.push((network, y));
            y += network_height(network) + 2 * GAP;
        }
        Self { networks, routers, width, height: y + MARGIN }
    }

    fn inside(&self) -> impl Iterator<Item = usize> {
        self.networks.iter().filter(|(network, _)| !network.external).map(|(_, y)| *y)
    }

    fn first_inside(&self) -> Option<usize> {
        self.inside().next()
    }

    /// The x of the lane of the inside network at this y.
    fn lane(&self, bar: usize) -> usize {
        let number = self.inside().take_while(|y| *y != bar).count() % LANES;
        self.width - MARGIN - LANE * (number + 1)
    }
}

fn network_height(network: &NetworkBox) -> usize {
    let rows = network.ports.len().div_ceil(COLUMNS);
    BAR_HEIGHT + rows * (CARD_HEIGHT + GAP)
}

fn lines(out: &mut String, layout: &Layout<'_>, placed: &Placed<'_>) {
    let legs = placed.router.legs.len().max(1);
    for (number, leg) in placed.router.legs.iter().enumerate() {
        let Some((_, bar)) = layout.networks.iter().find(|(network, _)| network.id == leg.network) else {
            continue;
        };
        // Legs leave the router side by side, so that lines to different networks do not lie on each other.
        let x = placed.x + ROUTER_WIDTH * (number + 1) / (legs + 1);
        let middle = placed.y + ROUTER_HEIGHT / 2;
        if *bar < placed.y {
            let end = bar + BAR_HEIGHT;
            let _ = write!(out, "<path class=\"line\" d=\"M{x} {middle}V{end}\"/>");
        } else if layout.first_inside() == Some(*bar) {
            let _ = write!(out, "<path class=\"line\" d=\"M{x} {middle}V{bar}\"/>");
        } else {
            // Other networks lie between: around their ports, in the network's own lane.
            let turn = placed.y + ROUTER_HEIGHT + GAP / 2 + 5 * (number % 6);
            let lane = layout.lane(*bar);
            let _ = write!(out, "<path class=\"line\" d=\"M{x} {middle}V{turn}H{lane}V{bar}\"/>");
        }
    }
}

fn draw_network(out: &mut String, network: &NetworkBox, y: usize, width: usize) {
    let class = if network.external { "ext" } else { "bar" };
    let bar = width - 2 * MARGIN;
    let _ = write!(
        out,
        "<rect class=\"{class}\" x=\"{MARGIN}\" y=\"{y}\" width=\"{bar}\" height=\"{BAR_HEIGHT}\" rx=\"6\"/>"
    );
    dot(out, MARGIN + 14, y + BAR_HEIGHT / 2, &network.state);
    text(out, MARGIN + 28, y + 22, "t", &network.name);
    let detail = format!("{}   {}", network.carrier, network.subnets.join(", "));
    text(out, MARGIN + 40 + 9 * network.name.chars().count(), y + 22, "s", &detail);
    for (number, port) in network.ports.iter().enumerate() {
        let x = MARGIN + (number % COLUMNS) * (CARD_WIDTH + GAP);
        let y = y + BAR_HEIGHT + GAP + (number / COLUMNS) * (CARD_HEIGHT + GAP);
        draw_port(out, port, x, y);
    }
}

fn draw_port(out: &mut String, port: &PortBox, x: usize, y: usize) {
    let _ = write!(
        out,
        "<path class=\"line\" d=\"M{middle} {top}V{y}\"/>\
         <rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{CARD_WIDTH}\" height=\"{CARD_HEIGHT}\" rx=\"6\">",
        middle = x + CARD_WIDTH / 2,
        top = y - GAP
    );
    let _ = write!(out, "<title>{}</title></rect>", escape(port.state.reason().unwrap_or(&port.id)));
    dot(out, x + 14, y + 16, &port.state);
    let kind = match port.kind {
        PortKind::Dhcp => "DHCP service",
        PortKind::Guest => port.name.as_str(),
    };
    text(out, x + 28, y + 21, "t", kind);
    text(out, x + 14, y + 38, "", &port.addresses.join(", "));
    text(out, x + 14, y + 53, "s", &port.mac);
    let place = port.host.as_deref().unwrap_or("on no node");
    let place = port.floating.as_ref().map_or_else(|| place.to_owned(), |ip| format!("{place}  ⇄ {ip}"));
    text(out, x + 14, y + 67, "s", &place);
}

fn draw_router(out: &mut String, placed: &Placed<'_>) {
    let Placed { router, x, y } = placed;
    let _ = write!(
        out,
        "<rect class=\"router\" x=\"{x}\" y=\"{y}\" width=\"{ROUTER_WIDTH}\" height=\"{ROUTER_HEIGHT}\" rx=\"12\">\
         <title>{}</title></rect>",
        escape(router.state.reason().unwrap_or(&router.id))
    );
    dot(out, x + 16, y + 18, &router.state);
    text(out, x + 30, y + 23, "t", &router.name);
    let legs = router.legs.iter().map(|leg| leg.addresses.join(", ")).collect::<Vec<_>>().join("  ");
    text(out, x + 14, y + 42, "s", &legs);
}

fn dot(out: &mut String, x: usize, y: usize, state: &State) {
    let class = match state {
        State::Right => "right",
        State::Expecting(_) => "expecting",
        State::Waiting(_) => "waiting",
        State::Failed(_) => "failed",
        State::Elsewhere => "elsewhere",
    };
    let _ = write!(out, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>");
}

fn text(out: &mut String, x: usize, y: usize, class: &str, content: &str) {
    let _ = write!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(content));
}

/// Names come from users.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
