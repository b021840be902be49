//! The nodes as their operator sees them.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Fault;
use crate::config::Config;
use crate::processes::NodeProcess;

/// The service's nodes.
pub(crate) struct Fleet {
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    config: Mutex<Config>,
    process: Mutex<NodeProcess>,
    port: AtomicU16,
}

impl Fleet {
    /// So many nodes, with the same configuration but for their names.
    pub(crate) fn start(config: &Config, nodes: usize) -> Result<Self, Fault> {
        let names = ["A", "B", "C"].into_iter().take(nodes);
        let start = |name: &str| {
            let config = Config { name: name.to_owned(), ..config.clone() };
            let process = NodeProcess::start(&config)?;
            let (name, port) = (name.to_owned(), AtomicU16::new(process.port));
            Ok::<_, Fault>(Node { name, config: Mutex::new(config), process: Mutex::new(process), port })
        };
        Ok(Self { nodes: names.map(start).collect::<Result<_, _>>()? })
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Where there is one node, it is every node.
    fn node(&self, node: usize) -> &Node {
        &self.nodes[node % self.nodes.len()]
    }

    pub(crate) fn name(&self, node: usize) -> &str {
        &self.node(node).name
    }

    pub(crate) fn port(&self, node: usize) -> u16 {
        self.node(node).port.load(Ordering::SeqCst)
    }

    /// The answer to a command.
    pub(crate) fn command(&self, node: usize, command: &str) -> Result<String, Fault> {
        lock(&self.node(node).process).command(command)
    }

    /// How many lookups and commits the node has asked of its store.
    pub(crate) fn asked(&self, node: usize) -> Result<(usize, usize), Fault> {
        let answer = self.command(node, "asked")?;
        let (lookups, commits) = answer.split_once(' ').ok_or("two numbers were due")?;
        Ok((lookups.parse()?, commits.parse()?))
    }

    /// Whether every node still answers.
    pub(crate) fn is_well(&self) -> Result<(), Fault> {
        (0..self.nodes.len()).try_for_each(|node| self.asked(node).map(drop))
    }

    pub(crate) fn kill(&self, node: usize) -> Result<(), Fault> {
        lock(&self.node(node).process).kill()
    }

    /// Starts it again, at another port.
    pub(crate) fn restart(&self, node: usize) -> Result<(), Fault> {
        let node = self.node(node);
        let process = NodeProcess::start(&lock(&node.config))?;
        node.port.store(process.port, Ordering::SeqCst);
        *lock(&node.process) = process;
        Ok(())
    }

    /// From now on the node makes what it makes with the key of this id, also when it is started again.
    pub(crate) fn use_key(&self, node: usize, id: u32) -> Result<(), Fault> {
        self.command(node, &format!("current-key {id}"))?;
        lock(&self.node(node).config).keys.sort_by_key(|(other, _)| *other != id);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
