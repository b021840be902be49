//! Moments, as XEP-0082 writes them.

use super::*;

fn moment(text: &str) -> Option<u64> {
    let read = success(&format!("<token xmlns='urn:xmpp:fast:0' expiry='{text}' token='x'/>"));
    read.unwrap().token.map(|token| token.expiry().as_secs())
}

#[test]
fn moments_are_read_and_written() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T14:00:00-10:00", 0),
        ("1970-01-01T14:00:00+14:00", 0),
        ("2020-03-12T14:36:15Z", 1_584_023_775),
        ("2020-03-12T14:36:15.0Z", 1_584_023_775),
        ("2020-03-12T14:36:15.999999999Z", 1_584_023_775),
        ("2020-03-12T14:36:15.9-00:00", 1_584_023_775),
        ("2020-03-12T15:06:15+00:30", 1_584_023_775),
        ("2020-03-11T23:36:15-15:00", u64::MAX),
        ("2000-02-29T00:00:00Z", 951_782_400),
        ("2038-01-19T03:14:08Z", 1 << 31),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] {
        assert_eq!(moment(text), Some(expected).filter(|&expected| expected != u64::MAX), "{text}");
        if text.len() == 20 {
            let token = Some(IssuedToken::new("x", Timestamp::from_secs(expected)).unwrap());
            let octets = Success { token, ..Success::default() }.to_octets(Version::Sasl2).unwrap();
            assert!(self::text(octets).contains(&format!("expiry='{text}'")), "{text}");
        }
    }
}

#[test]
fn a_day_that_does_not_exist_is_refused() {
    for day in ["2019-02-29", "2100-02-29", "2020-02-30", "2020-04-31", "2020-12-32", "2020-01-00"] {
        assert_eq!(moment(&format!("{day}T00:00:00Z")), None, "{day}");
    }
    for day in ["2020-00-01", "2020-13-01"] {
        assert_eq!(moment(&format!("{day}T00:00:00Z")), None, "{day}");
    }
}

#[test]
fn a_time_that_does_not_exist_is_refused() {
    // the third is a leap second
    for time in ["24:00:00Z", "23:60:00Z", "23:59:60Z", "00:00:61Z"] {
        assert_eq!(moment(&format!("2016-12-31T{time}")), None, "{time}");
    }
    for zone in ["+14:01", "-14:01", "+15:00", "+01:60"] {
        assert_eq!(moment(&format!("2016-12-31T12:00:00{zone}")), None, "{zone}");
    }
}

#[test]
fn a_moment_outside_1970_to_9999_is_refused() {
    for text in [
        "0000-01-01T00:00:00Z",
        "0000-03-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:59:59+01:00",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
    ] {
        assert_eq!(moment(text), None, "{text}");
    }
    assert!(IssuedToken::new("x", Timestamp::from_secs(253_402_300_799)).is_ok());
    misuse(IssuedToken::new("x", Timestamp::from_secs(253_402_300_800)));
    misuse(IssuedToken::new("x", Timestamp::from_secs(u64::MAX)));
}

#[test]
fn another_spelling_of_a_moment_is_refused() {
    let good = "2020-03-12T14:36:15Z";
    for end in 0..good.len() {
        assert_eq!(moment(&good[..end]), None);
    }
    for text in [
        "2020-03-12t14:36:15Z",
        "2020-03-12T14:36:15z",
        "2020-03-12 14:36:15Z",
        "20200312T14:36:15Z",
        "2020-03-12T143615Z",
        "2020-3-12T14:36:15Z",
        "+2020-03-12T14:36:15Z",
        "-2020-03-12T14:36:15Z",
        " 2020-03-12T14:36:15Z",
        "2020-03-12T14:36:15Z ",
        "2020-03-12T14:36:15ZZ",
        "2020-03-12T14:36:15.Z",
        "2020-03-12T14:36:15,5Z",
        "2020-03-12T14:36:15.0123456789Z",
        "2020-03-12T14:36:15+01",
        "2020-03-12T14:36:15+0100",
        "2020-03-12T14:36:15+01:00Z",
        "2020-03-12T14:36:15\u{2212}01:00",
        "\u{662}020-03-12T14:36:15Z",
    ] {
        assert_eq!(moment(text), None, "{text}");
    }
}
