//! What serves a node: Baryon, or in its place Neutron's own four agents.

use crate::neutron::{Agent, Api, Host, Release, Stock};
use crate::{Baryon, wait};
use serde_json::{Value, json};

/// Which program a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Baryon,
    Stock,
}

impl Kind {
    /// Baryon, unless `BARYON_TEST_AGENTS=stock` asks to run a test's body with Neutron's agents: what fails then
    /// is the test's fault.
    #[must_use]
    pub fn under_test() -> Self {
        match std::env::var("BARYON_TEST_AGENTS").as_deref() {
            Ok("stock") => Self::Stock,
            _ => Self::Baryon,
        }
    }
}

/// All four roles of a node.
#[derive(Debug)]
pub struct Agents<'n> {
    host: Host<'n>,
    release: Release,
    running: Running<'n>,
    /// When the agents of this host had started that the server knew before these were: binary and time.
    before: Vec<(String, String)>,
}

#[derive(Debug)]
enum Running<'n> {
    Baryon(Box<Baryon<'n>>),
    Stock(Stock<'n>),
    None(Kind),
}

impl<'n> Agents<'n> {
    /// Starts them, and waits until the server counts all four as alive.
    #[track_caller]
    #[must_use]
    pub fn start(kind: Kind, host: &Host<'n>, release: Release, api: &Api) -> Self {
        let mut agents = Self { host: *host, release, running: Running::None(kind), before: Vec::new() };
        agents.start_again(api);
        agents.await_alive(api);
        agents
    }

    /// Waits until the server has heard of all four since they were started last.
    #[track_caller]
    pub fn await_alive(&self, api: &Api) {
        wait::seldom(90, &format!("agents alive on {}", self.host.name()), || {
            let agents = api.list("agent", &format!("host={}", self.host.name()));
            let alive = |agent: &Value| agent["alive"] == true && !self.before.contains(&start_of(agent));
            if agents.len() >= Agent::ALL.len() && agents.iter().all(alive) {
                Ok(())
            } else {
                Err(json!(agents))
            }
        });
    }

    /// Starts what was killed or stopped.
    #[track_caller]
    pub fn start_again(&mut self, api: &Api) {
        let known = api.list("agent", &format!("host={}", self.host.name()));
        self.before = known.iter().map(start_of).collect();
        self.running = match &self.running {
            Running::None(Kind::Baryon) => Running::Baryon(Box::new(self.host.start_baryon())),
            Running::None(Kind::Stock) => Running::Stock(Stock::start(&self.host, self.release, &Agent::ALL)),
            running => panic!("{} is served already: {running:?}", self.host.name()),
        };
    }

    /// SIGTERM, and waits for the end.
    #[track_caller]
    pub fn stop(&mut self) {
        let kind = self.kind();
        match std::mem::replace(&mut self.running, Running::None(kind)) {
            Running::Baryon(mut baryon) => baryon.stop(),
            Running::Stock(stock) => stock.stop(),
            Running::None(_) => panic!("nothing serves {}", self.host.name()),
        }
    }

    /// SIGKILL.
    #[track_caller]
    pub fn kill(&mut self) {
        let kind = self.kind();
        match std::mem::replace(&mut self.running, Running::None(kind)) {
            Running::Baryon(mut baryon) => baryon.kill(),
            Running::Stock(stock) => drop(stock),
            Running::None(_) => panic!("nothing serves {}", self.host.name()),
        }
    }

    /// Stops these and starts the others in their place.
    #[track_caller]
    pub fn change_to(&mut self, kind: Kind, api: &Api) {
        self.stop();
        self.running = Running::None(kind);
        self.start_again(api);
    }

    fn kind(&self) -> Kind {
        match &self.running {
            Running::Baryon(_) => Kind::Baryon,
            Running::Stock(_) => Kind::Stock,
            Running::None(kind) => *kind,
        }
    }

    /// Baryon's command line and log; `None` while others serve.
    #[must_use]
    pub fn baryon(&self) -> Option<&Baryon<'n>> {
        match &self.running {
            Running::Baryon(baryon) => Some(baryon),
            _ => None,
        }
    }
}

fn start_of(agent: &Value) -> (String, String) {
    let field = |name: &str| agent[name].as_str().unwrap_or_default().to_owned();
    (field("binary"), field("started_at"))
}
