use super::*;

fn source(number: u32) -> Address {
    let mut address = NO_ADDRESS;
    address[12..].copy_from_slice(&number.to_be_bytes());
    address
}

#[test]
fn a_flood_of_sources_is_bounded_and_the_newest_are_known() {
    let mut memory = Memory::default();
    for number in 1..=1_000_000 {
        memory.remember(source(number), 1000);
        assert!(memory.younger.len() + memory.older.len() <= MOST_REMEMBERED);
    }
    assert!(memory.knows(&source(1_000_000), 1000, 10));
    assert!(memory.knows(&source(1_000_000 - 99_000), 1000, 10));
    assert!(!memory.knows(&source(1), 1000, 10));
}

#[test]
fn a_source_is_known_for_as_long_as_asked_before_and_after() {
    let mut memory = Memory::default();
    memory.remember(source(7), 10_000);
    memory.remember(source(7), 5_000);
    for (time, known) in [(10_000, true), (11_000, true), (11_001, false), (9_000, true), (8_999, false)] {
        assert_eq!(memory.knows(&source(7), time, 1_000), known, "{time}");
    }
    assert!(!memory.knows(&source(8), 10_000, 1_000));
    assert!(!memory.knows(&source(7), i64::MIN, 1_000));
}

#[test]
fn a_source_of_the_older_generation_keeps_its_latest_time() {
    let mut memory = Memory::default();
    memory.remember(source(7), 10_000);
    for number in 1_000..1_000 + u32::try_from(MOST_REMEMBERED / 2).unwrap_or(0) {
        memory.remember(source(number), 10_000);
    }
    memory.remember(source(7), 1);
    assert!(memory.knows(&source(7), 10_000, 0));
}

#[test]
fn wrong_rules_are_named() {
    let spec = |outcome: &str| {
        format!(
            r#"{{"schema":{{"sensor":["firewall"],"action":["allowed"],"direction":["unknown"],"evidence":[],"category":[],
            "max_signature_id":1,"max_signature":1,"max_threat":1,"max_sender_domain":1,"max_cves":1}},
            "rules":[{{"name":"first","outcome":"{outcome}"}}],"home":[],"trusted":[],"remember_ms":1,
            "scanning":{{"ports":2,"addresses":2,"ms":1}}}}"#
        )
    };
    assert!(Sieve::compile(&spec("kept")).is_ok());
    let error = Sieve::compile(&spec("lost")).err().unwrap_or_default();
    assert!(error.contains("first") && error.contains("lost"), "{error}");
}
