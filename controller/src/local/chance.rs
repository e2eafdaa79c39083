//! The random numbers behind new ids, as a value: the same seed gives the same ids, so that whatever
//! uses it stays a function of its arguments. Not for secrets.

use uuid::Uuid;

/// Two SplitMix64 streams (Steele, Lea, Flood 2014), for the two halves of an id.
#[derive(Clone, Debug)]
pub struct Chance {
    states: [u64; 2],
}

impl Chance {
    pub fn new(seed: u128) -> Self {
        Self { states: [seed as u64, (seed >> 64) as u64] }
    }

    /// Seeded by the operating system.
    pub fn from_system() -> Self {
        Self::new(Uuid::new_v4().as_u128())
    }

    /// A UUID of version 4.
    pub fn id(&mut self) -> Uuid {
        let halves = self.states.each_mut().map(step);
        uuid::Builder::from_random_bytes(Uuid::from_u64_pair(halves[0], halves[1]).into_bytes()).into_uuid()
    }
}

fn step(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_all_ids() {
        let ids = |seed| {
            let mut chance = Chance::new(seed);
            [chance.id(), chance.id()]
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert_eq!(ids(7)[0].get_version_num(), 4);
    }
}
