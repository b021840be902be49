//! `iky-outcomes.json`: everything a server can make of an attempt.

mod accepted;
mod channel;
mod early_data;
mod lineage;
mod objections;
mod proof;
mod record;
mod store;

use crate::file::File;
use crate::formulas::*;
use crate::scene::{DAY, LOGIN, Scene};

const EXPR: &str = "IKY-SHA-256-EXPR";
const NONE: &str = "IKY-SHA-256-NONE";
const ENDP: &str = "IKY-SHA-256-ENDP";

pub(crate) fn file() -> File {
    let source = "the draft's rules for the server, decided by examples/vectors/scene.rs, not by the library; all secrets are SHA-256 of labels";
    let mut file = File::new("iky-outcomes.json", source);
    file.group(
        "decision",
        "Record, channel, lineage, configuration and message; outcome, answer and what is made durable.",
    );
    let f = &mut file;
    accepted::cases(f);
    channel::cases(f);
    early_data::cases(f);
    record::cases(f);
    lineage::cases(f);
    proof::cases(f);
    objections::cases(f);
    store::cases(f);
    file
}

fn add(file: &mut File, want: &str, scene: Scene, note: &str) {
    assert_eq!(scene.outcome().0, want, "{note}: {:?}", scene.refusals());
    file.case(want == "accepted", note, scene.inputs(), scene.intermediates(), scene.outputs());
}

fn full(edit: impl FnOnce(&mut Scene)) -> Scene {
    Scene::new(EXPR, false).with(edit)
}

fn resumed(edit: impl FnOnce(&mut Scene)) -> Scene {
    Scene::new(EXPR, true).with(edit)
}
