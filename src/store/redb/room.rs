//! Who of an account makes room for whom.

use super::account::{Account, Client};
use crate::assertion::DeviceId;

impl Account {
    /// Which client goes first: one that was never used again, then the one used least lately.
    pub(super) fn least_needed(&self) -> Option<usize> {
        let order = |client: &Client| (!client.revoked, !client.was_never_used(), client.device.last_used);
        self.clients.iter().enumerate().min_by_key(|(_, client)| order(client)).map(|(at, _)| at)
    }

    /// Gives up clients that were never used again, until `wanted` records are free, when the whole store is full; none at all
    /// where they would not do.
    pub(super) fn make_room(&mut self, wanted: usize) -> bool {
        let spare = |client: &Client| client.was_never_used() || client.revoked;
        if self.clients.iter().filter(|client| spare(client)).map(Client::room).sum::<usize>() < wanted {
            return false;
        }
        let mut free = 0;
        self.clients.retain(|client| {
            let stays = free >= wanted || !spare(client);
            free += if stays { 0 } else { client.room() };
            stays
        });
        true
    }

    /// Gives up the oldest session of this client, or of the one used least lately, when the whole store is full.
    pub(super) fn give_up_lineage(&mut self, of: Option<DeviceId>) -> bool {
        let meant = |client: &&mut Client| of.is_none_or(|id| client.device.id == id) && !client.lineages.is_empty();
        let client = self.clients.iter_mut().filter(meant).min_by_key(|client| client.device.last_used);
        client.is_some_and(|client| client.lineages.pop_front().is_some())
    }
}
