//! The stores in Valkey and Redis, against a real server, which each test starts and ends. Where there is none they say so and pass.
#![cfg(feature = "redis")]

#[path = "../common/mod.rs"]
mod common;

mod alike;
#[cfg(feature = "conformance")]
mod conformance;
mod faults;
mod fleet;
mod scene;
mod secrets;
mod server;
