use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// 2024-02-29 12:00:00 UTC
const NOW: Timestamp = Timestamp::from_secs(1_709_208_000);

fn of(headers: &[(&str, &str)]) -> Option<i64> {
    let named = |name: &'static str| {
        headers.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value.as_bytes())
    };
    lifetime(named, NOW).map(Span::as_secs)
}

#[test]
fn lifetimes() {
    let cases: [(&[(&str, &str)], Option<i64>); 25] = [
        (&[], None),
        (&[("cache-control", "public")], None),
        (&[("cache-control", "max-age=60")], Some(60)),
        (&[("cache-control", "Public, MAX-AGE=\"60\" , must-revalidate")], Some(60)),
        (&[("cache-control", "max-age=60"), ("age", "20")], Some(40)),
        (&[("cache-control", "max-age=60"), ("age", "100")], Some(0)),
        (&[("cache-control", "max-age=60"), ("age", "soon")], Some(60)),
        (&[("cache-control", "max-age=60, no-store")], Some(0)),
        (&[("cache-control", "no-cache=\"a, b\"")], Some(0)),
        (&[("cache-control", "private=\"no-store, x\", max-age=9")], Some(9)),
        (&[("cache-control", "max-age=60"), ("cache-control", "max-age=90")], Some(0)),
        (&[("cache-control", "max-age=60"), ("cache-control", "max-age=60")], Some(60)),
        (&[("cache-control", "max-age=-1")], Some(0)),
        (&[("cache-control", "max-age")], Some(0)),
        (&[("cache-control", "max-age=1.5")], Some(0)),
        (&[("cache-control", "max-age=99999999999999999999")], Some(1 << 31)),
        (&[("cache-control", "s-maxage=5")], None),
        (&[("expires", "Thu, 29 Feb 2024 12:05:00 GMT")], Some(300)),
        (
            &[
                ("expires", "Thu, 29 Feb 2024 12:05:00 GMT"),
                ("date", "Thu, 29 Feb 2024 12:04:00 GMT"),
                ("age", "10"),
            ],
            Some(50),
        ),
        (&[("expires", "Thu, 29 Feb 2024 11:05:00 GMT")], Some(0)),
        (&[("expires", "0")], Some(0)),
        (&[("expires", "Thursday, 29-Feb-24 12:05:00 GMT")], Some(0)),
        (&[("expires", "Thu, 29 Feb 2024 12:05:00 GMT"), ("cache-control", "max-age=7")], Some(7)),
        (&[("expires", "Thu, 29 Feb 2024 12:05:00 GMT"), ("expires", "0")], Some(0)),
        (&[("expires", "Fri, 31 Dec 9999 23:59:59 GMT")], Some(1 << 31)),
    ];
    for (headers, expected) in cases {
        assert_eq!(of(headers), expected, "{headers:?}");
    }
}

#[test]
fn dates() {
    assert_eq!(http_date(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(http_date(b"Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    for bad in [
        &b"Sun, 06 Nov 1994 08:49:37 UTC"[..],
        b"Sun, 06 Nov 1994 24:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 06 nov 1994 08:49:37 GMT",
        b"Sun  06 Nov 1994 08:49:37 GMT",
        b"Sun, +6 Nov 1994 08:49:37 GMT",
        b"",
    ] {
        assert_eq!(http_date(bad), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn any_headers_are_read_within_bounds(values in vec((0..4_usize, vec(any::<u8>(), 0..40)), 0..6)) {
        let names = ["cache-control", "expires", "date", "age"];
        let named = |name: &'static str| {
            values.iter().filter(move |(at, _)| names[*at] == name).map(|(_, value)| &**value)
        };
        if let Some(span) = lifetime(named, NOW) {
            prop_assert!((0..=1 << 31).contains(&span.as_secs()));
        }
    }

    #[test]
    fn any_max_age_is_read(seconds in 0_u32..1 << 31, age in 0_u32..1 << 31) {
        let control = alloc::format!("x=\"a,b\", max-age={seconds}");
        let whole = i64::from(seconds) - i64::from(age);
        let got = of(&[("cache-control", &control), ("age", &alloc::format!("{age}"))]);
        prop_assert_eq!(got, Some(whole.max(0)));
    }
}
