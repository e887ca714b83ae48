#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| kernel_fuzz::check(kernel_fuzz::Shape::Xml, data));
