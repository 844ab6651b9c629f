//! Texts of the extension types, good and bad. The compiler's tests hold them against the official crate.

use alloc::string::ToString;

use super::*;

#[test]
fn decimals() {
    for (text, value) in [
        ("0.0", 0),
        ("-0.5", -5000),
        ("12.34", 123_400),
        ("00.0001", 1),
        ("922337203685477.5807", i64::MAX),
        ("-922337203685477.5808", i64::MIN),
    ] {
        assert_eq!(Decimal::parse(text), Some(Decimal(value)), "{text}");
    }
    for text in [
        "",
        ".",
        "1",
        "1.",
        ".1",
        "-.1",
        "+1.0",
        "1.00000",
        "1.0.0",
        "a.b",
        " 1.0",
        "1.0 ",
        "1.-5",
        "922337203685477.5808",
        "-922337203685477.5809",
        "99999999999999999999.0",
    ] {
        assert_eq!(Decimal::parse(text), None, "{text}");
    }
    assert_eq!(Decimal(i64::MIN).to_string(), "-922337203685477.5808");
    assert_eq!(Decimal(-5000).to_string(), "-0.5000");
}

#[test]
fn addresses() {
    for text in ["127.0.0.1", "10.0.0.0/8", "::1", "ffee::/64", "2001:db8::1", "0.0.0.0/0"] {
        let address = IpNet::parse(text).unwrap();
        assert_eq!(address.to_string(), text);
    }
    for text in [
        "",
        "1.2.3",
        "1.2.3.4/33",
        "1.2.3.4/",
        "1.2.3.4/08",
        "1.2.3.4/+8",
        "::/129",
        "::ffff:1.2.3.4",
        "::1/0128",
        "127.0.0.01",
        " ::1",
        "1.2.3.4/8/8",
        "0000:0000:0000:0000:0000:0000:0000:00001",
    ] {
        assert_eq!(IpNet::parse(text), None, "{text}");
    }
    let ip = |text| IpNet::parse(text).unwrap();
    assert!(ip("10.1.2.3").is_in_range(&ip("10.0.0.0/8")));
    assert!(!ip("10.0.0.0/8").is_in_range(&ip("10.1.2.3")));
    assert!(ip("1.2.3.4").is_in_range(&ip("0.0.0.0/0")));
    assert!(ip("::1").is_in_range(&ip("::/0")));
    assert!(!ip("::1").is_in_range(&ip("0.0.0.0/0")));
    assert!(ip("127.0.0.0/8").is_loopback() && !ip("127.0.0.0/7").is_loopback());
    assert!(ip("::1").is_loopback() && !ip("::1/127").is_loopback());
    assert!(ip("224.0.0.0/4").is_multicast() && !ip("224.0.0.0/3").is_multicast());
    assert!(ip("ff00::/8").is_multicast() && !ip("ff00::/7").is_multicast());
}

#[test]
fn times() {
    for (text, millis) in [
        ("1970-01-01", 0),
        ("1969-12-31", -86_400_000),
        ("2024-02-29", 1_709_164_800_000),
        ("2024-10-15T11:35:00Z", 1_728_992_100_000),
        ("2024-10-15T11:35:00.123Z", 1_728_992_100_123),
        ("2024-10-15T11:35:00+0100", 1_728_988_500_000),
        ("2024-10-15T11:35:00.001-0130", 1_728_997_500_001),
        ("0000-01-01", -62_167_219_200_000),
        ("9999-12-31T23:59:59.999-2359", 253_402_387_139_999),
    ] {
        assert_eq!(Datetime::parse(text), Some(Datetime(millis)), "{text}");
    }
    for text in [
        "",
        "2024",
        "2024-13-01",
        "2024-00-01",
        "2023-02-29",
        "1900-02-29",
        "2024-04-31",
        "2024-01-00",
        "2024-01-01T",
        "2024-01-01T00:00:00",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00.1Z",
        "2024-01-01T00:00:00.1234Z",
        "2024-01-01T00:00:00+2400",
        "2024-01-01T00:00:00+0060",
        "2024-01-01T00:00:00+01:00",
        "2024-01-01t00:00:00Z",
        "2024-01-01T00:00:00z",
        "2024-1-1",
        "24-01-01",
        "2024-01-01 ",
        "+024-01-01",
        "2024-01-01T00:00:00ZZ",
        "２０２４-01-01",
    ] {
        assert_eq!(Datetime::parse(text), None, "{text}");
    }
    assert_eq!(Datetime(1_728_992_100_123).to_string(), "2024-10-15T11:35:00.123Z");
    assert_eq!(Datetime(-1).to_string(), "1969-12-31T23:59:59.999Z");
    assert_eq!(Datetime(-1).to_time(), Duration(86_399_999));
    assert_eq!(Datetime(-1).to_date(), Some(Datetime(-86_400_000)));
    assert_eq!(Datetime(i64::MIN).to_date(), None);
    assert_eq!(Datetime(i64::MAX).offset(Duration(1)), None);
    assert_eq!(Datetime(i64::MIN).duration_since(Datetime(1)), None);
}

#[test]
fn durations() {
    for (text, millis) in [
        ("0ms", 0),
        ("1d2h3m4s5ms", 93_784_005),
        ("-1d", -86_400_000),
        ("5ms", 5),
        ("3m5ms", 180_005),
        ("1h", 3_600_000),
        ("-9223372036854775808ms", i64::MIN),
        ("9223372036854775807ms", i64::MAX),
    ] {
        assert_eq!(Duration::parse(text), Some(Duration(millis)), "{text}");
    }
    for text in [
        "",
        "-",
        "1",
        "d",
        "1h1d",
        "1d1d",
        "1ms1s",
        "+1d",
        "1.5h",
        "1 d",
        "--1d",
        "9223372036854775808ms",
        "99999999999999999999d",
        "106751991168d",
        "1D",
    ] {
        assert_eq!(Duration::parse(text), None, "{text}");
    }
    let duration = Duration(-93_784_005);
    let parts = (duration.to_days(), duration.to_hours(), duration.to_minutes(), duration.to_seconds());
    assert_eq!(parts, (-1, -26, -1563, -93_784));
}
