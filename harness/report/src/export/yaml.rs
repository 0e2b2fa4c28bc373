//! YAML of a fixed shape: all text is in double quotes, so that no word is taken for a number, a date or an anchor.

/// A text as a scalar in double quotes, on one line. Whatever could not stand there is escaped (YAML 1.2.2, 5.7).
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ if is_printable(c) => quoted.push(c),
            _ if u32::from(c) <= 0xffff => quoted += &format!("\\u{:04X}", u32::from(c)),
            _ => quoted += &format!("\\U{:08X}", u32::from(c)),
        }
    }
    quoted + "\""
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn nothing_breaks_out() {
        let cases = [
            ("", r#""""#),
            ("no", r#""no""#),
            ("8/255", r#""8/255""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a: b # c\n- d\t", r#""a: b # c\n- d\t""#),
            ("\u{1b}[31m\u{0}\u{7f}\u{85}\u{2028}\u{feff}", r#""\u001B[31m\u0000\u007F\u0085\u2028\uFEFF""#),
            ("\u{e4}\u{20ac}\u{1f600}", "\"\u{e4}\u{20ac}\u{1f600}\""),
        ];
        for (plain, quoted) in cases {
            assert_eq!(text(plain), quoted);
        }
        for c in (0..=0x11_ffff).filter_map(char::from_u32) {
            let quoted = text(&c.to_string());
            assert!(quoted.len() >= 3 && !quoted.chars().any(|c| c.is_control()), "{c:?}");
        }
    }
}
