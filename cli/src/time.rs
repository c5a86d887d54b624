//! Times as nginx writes them: `ngx_parse_time`, in seconds.

/// `1h 30m`: units in falling order, each once; a number without one, at the end, is seconds.
pub fn seconds(text: &str) -> Option<u64> {
    const UNITS: [(u8, u64); 7] = [
        (b'y', 60 * 60 * 24 * 365),
        (b'M', 60 * 60 * 24 * 30),
        (b'w', 60 * 60 * 24 * 7),
        (b'd', 60 * 60 * 24),
        (b'h', 60 * 60),
        (b'm', 60),
        (b's', 1),
    ];
    // nginx counts in a signed number.
    let in_range = |number: u64| i64::try_from(number).is_ok().then_some(number);
    let (mut total, mut value, mut units, mut valid) = (0u64, 0u64, &UNITS[..], false);
    let mut rest = text.as_bytes();
    while let [b, after @ ..] = rest {
        rest = after;
        if b.is_ascii_digit() {
            value = in_range(value.checked_mul(10)?.checked_add(u64::from(b - b'0'))?)?;
            valid = true;
            continue;
        }
        // Milliseconds, which are no whole seconds.
        if *b == b'm' && rest.first() == Some(&b's') {
            return None;
        }
        // A space ends the seconds, and so everything.
        let unit = if *b == b' ' { b's' } else { *b };
        let at = units.iter().position(|&(name, _)| name == unit)?;
        total = in_range(total.checked_add(in_range(value.checked_mul(units[at].1)?)?)?)?;
        units = &units[at + 1..];
        value = 0;
        while let [b' ', after @ ..] = rest {
            rest = after;
        }
    }
    if valid { in_range(total.checked_add(value)?) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_as_nginx_does() {
        let rows = [
            ("0", Some(0)),
            ("30", Some(30)),
            ("30s", Some(30)),
            ("15m", Some(900)),
            ("1h 30m", Some(5400)),
            ("1h30m5", Some(5405)),
            ("1d12h", Some(129_600)),
            ("2w", Some(1_209_600)),
            ("1M", Some(2_592_000)),
            ("1y", Some(31_536_000)),
            ("1m  ", Some(60)),
            ("1 ", Some(1)),
            ("m", None),
            ("s5", Some(5)),
            ("", None),
            ("5ms", None),
            ("1m1h", None),
            ("1s1s", None),
            ("1 1s", None),
            ("-1", None),
            ("1.5h", None),
            ("1H", None),
            (" 1", Some(1)),
            (" 1m", None),
            ("9223372036854775807", Some(9_223_372_036_854_775_807)),
            ("9223372036854775808", None),
            ("9223372036854775807y", None),
        ];
        for (text, expected) in rows {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
