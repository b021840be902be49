#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fast_reauth_fuzz::sealed_record::run(data));
