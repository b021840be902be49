//! What a login costs, beside the floor under it and its rivals: one list of steps, which every measurement runs.

pub mod crowd;
pub mod floor;
pub mod pairs;
pub mod random;
pub mod rivals;
#[path = "../../tests/allocations/scene.rs"]
pub mod scene;
pub mod steps;
pub mod welch;

/// Whatever goes wrong ends the program, with a message.
pub type Fault = Box<dyn std::error::Error>;

/// One thing to measure. It can be run again and again, and changes nothing that the next run would notice.
pub type Run = Box<dyn FnMut()>;

/// What callgrind collects: everything that happens in here.
#[inline(never)]
pub fn measured(run: &mut dyn FnMut()) {
    run();
    std::hint::black_box(());
}
