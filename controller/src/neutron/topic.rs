//! What a machine wants to hear: the topics of the server's casts and calls, as data. The shell declares
//! the queues; what a message means is the machine's affair.

/// One topic that a machine listens on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Topic {
    pub(crate) topic: String,
    /// Whether messages to this node alone are heard (`<topic>.<host>`).
    pub(crate) host: bool,
    /// Whether messages to all nodes are heard.
    pub(crate) fanout: bool,
    /// The endpoint's version: the highest that a message may ask for, major and minor.
    pub(crate) version: (u32, u32),
    /// Methods that are understood. Others on the topic are features that this node lacks.
    pub(crate) methods: &'static [&'static str],
}

impl Topic {
    /// Only what is sent to all nodes.
    pub(crate) fn fanout(
        topic: impl Into<String>,
        version: (u32, u32),
        methods: &'static [&'static str],
    ) -> Self {
        Self { topic: topic.into(), host: false, fanout: true, version, methods }
    }

    /// What is sent to all nodes and what is sent to this one.
    pub(crate) fn both(
        topic: impl Into<String>,
        version: (u32, u32),
        methods: &'static [&'static str],
    ) -> Self {
        Self { topic: topic.into(), host: true, fanout: true, version, methods }
    }
}
