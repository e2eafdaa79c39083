//! stub
use super::{Fault, draft::Draft};
use serde::Serialize;
#[derive(Debug, Serialize)]
pub struct Difference {
    pub changes: Vec<()>,
}
impl Difference {
    pub fn summary(&self) -> String {
        String::new()
    }
}
impl std::fmt::Display for Difference {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
#[derive(Debug)]
pub struct Topology;
pub fn parse(_: &str) -> Result<Topology, Fault> {
    Ok(Topology)
}
pub fn apply(_: &mut Draft<'_>, _: &Topology) -> Result<Difference, Fault> {
    Ok(Difference { changes: vec![] })
}
