#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fast_reauth_fuzz::ht_login::run(data));
