//! What to listen on, and what is served there.

use crate::version::Version;

/// One topic to take messages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub topic: String,
    /// Declares and consumes the queue `<topic>.<host>`.
    pub host: Option<String>,
    /// Declares and consumes the queue `<topic>`, whose messages all its listeners share.
    pub shared: bool,
    /// Takes part in `<topic>_fanout`.
    pub fanout: bool,
    /// What is served, in the order in which it is looked through.
    pub endpoints: Vec<Endpoint>,
}

/// An interface that is served under a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub namespace: Option<String>,
    /// The version offered: it serves requests of the same major and no newer minor.
    pub version: Version,
    /// `None`: every method is handed over.
    pub methods: Option<&'static [&'static str]>,
}

/// Everything that is listened on, each topic and host once.
#[derive(Debug, Default)]
pub(crate) struct Listens(Vec<Listen>);

impl Listens {
    /// Adds to it; returns what is to be consumed besides what is already.
    pub(crate) fn add(&mut self, mut new: Listen) -> Listen {
        let same = |old: &&mut Listen| {
            old.topic == new.topic && (old.host == new.host || old.host.is_none() || new.host.is_none())
        };
        let Some(old) = self.0.iter_mut().find(same) else {
            self.0.push(new.clone());
            return new;
        };
        let added = new.endpoints.iter().filter(|endpoint| !old.endpoints.contains(endpoint));
        let added: Vec<Endpoint> = added.cloned().collect();
        old.endpoints.extend(added);
        new.shared &= !old.shared;
        new.fanout &= !old.fanout;
        new.host = new.host.filter(|_| old.host.is_none());
        old.shared |= new.shared;
        old.fanout |= new.fanout;
        old.host = old.host.take().or_else(|| new.host.clone());
        new
    }

    pub(crate) fn all(&self) -> &[Listen] {
        &self.0
    }

    /// What is served under a topic.
    pub(crate) fn endpoints(&self, topic: &str) -> Vec<Endpoint> {
        let under = self.0.iter().filter(|listen| listen.topic == topic);
        under.flat_map(|listen| listen.endpoints.iter().cloned()).collect()
    }
}

impl FromIterator<Listen> for Listens {
    fn from_iter<I: IntoIterator<Item = Listen>>(listens: I) -> Self {
        let mut all = Self::default();
        for listen in listens {
            all.add(listen);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(host: Option<&str>, fanout: bool, minor: u32) -> Listen {
        Listen {
            topic: "news".into(),
            host: host.map(str::to_owned),
            shared: false,
            fanout,
            endpoints: vec![Endpoint { namespace: None, version: Version::new(1, minor), methods: None }],
        }
    }

    #[test]
    fn a_topic_named_twice_is_consumed_once() {
        let mut listens: Listens = [listen(None, true, 0)].into_iter().collect();
        let more = listens.add(listen(Some("n1"), true, 1));
        assert_eq!((more.host.as_deref(), more.fanout, more.shared), (Some("n1"), false, false));
        let more = listens.add(listen(Some("n1"), true, 1));
        assert_eq!((more.host.as_deref(), more.fanout), (None, false));
        assert_eq!(listens.all().len(), 1);
        assert_eq!(listens.endpoints("news").len(), 2);
        assert_eq!(listens.endpoints("other"), []);
    }

    #[test]
    fn another_host_is_another_queue() {
        let mut listens: Listens = [listen(Some("n1"), false, 0)].into_iter().collect();
        assert_eq!(listens.add(listen(Some("n2"), false, 0)).host.as_deref(), Some("n2"));
        assert_eq!(listens.all().len(), 2);
    }
}
