//! A disk in memory: it survives the store, and may be full.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::*;
use fast_reauth::internal::redb_on;

const BLOCK: usize = 4096;

/// How long a store leaves a disk alone that failed.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Like a file with holes: what was never written takes no room.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    octets: Vec<u8>,
    used: HashSet<usize>,
    blocks: usize,
}

impl Default for Inner {
    fn default() -> Self {
        Self { octets: Vec::new(), used: HashSet::new(), blocks: usize::MAX }
    }
}

impl Disk {
    pub(super) fn holding(octets: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.inner().octets = octets;
        disk
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        self.inner().octets.clone()
    }

    /// So many blocks more, and it is full.
    pub(super) fn fills_up_after(&self, blocks: usize) {
        let mut inner = self.inner();
        inner.blocks = inner.used.len().saturating_add(blocks);
    }

    pub(super) fn open(&self, capacity: Capacity) -> Result<RedbStore, OpenError> {
        let disk = self.clone();
        redb_on(move || Box::new(disk.clone()), capacity, PAUSE)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner().octets.len() as u64)
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let (inner, at) = (self.inner(), offset as usize);
        let octets = at.checked_add(len).and_then(|end| inner.octets.get(at..end));
        octets.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.inner();
        if len > 1 << 28 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inner.octets.resize(len as usize, 0);
        let end = inner.octets.len().div_ceil(BLOCK);
        inner.used.retain(|block| *block < end);
        Ok(())
    }

    fn sync_data(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        for (n, part) in data.chunks(BLOCK).enumerate() {
            let at = offset as usize + n * BLOCK;
            let block = at / BLOCK;
            if !inner.used.contains(&block) && inner.used.len() >= inner.blocks {
                return Err(io::ErrorKind::StorageFull.into());
            }
            inner.used.insert(block);
            let place = inner.octets.get_mut(at..at + part.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            place.copy_from_slice(part);
        }
        Ok(())
    }
}
