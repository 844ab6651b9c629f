//! Which words are credentials by their looks: tokens of known forms, and words as random as one.

/// What tokens of well-known kinds begin with.
const PREFIXES: [&str; 28] = [
    "csk_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "glptt-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "sk-",
    "npm_",
    "pypi-",
    "dop_v1_",
    "shpat_",
    "hf_",
];

/// The fewest letters that follow such a beginning.
const AFTER_PREFIX: usize = 12;

/// The fewest letters of a word that may be a credential by its randomness alone.
const RANDOM: usize = 28;

/// The most letters of a word that is none.
pub(super) const LONGEST: usize = 128;

/// Entropy of a random word, in bits a letter, at least.
const ENTROPY: f64 = 3.8;

/// Whether a letter may stand in a token.
pub(super) fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~' | b'+')
}

/// Whether a word is, or holds, a token of a known form.
pub(super) fn has_form(word: &[u8]) -> bool {
    let inside = |at: usize| word.get(at..).unwrap_or_default();
    (0..word.len()).any(|at| is_json(inside(at)) || is_prefixed(word, at))
}

/// Whether a word is a token by its form, or as random as one.
pub(super) fn looks_secret(word: &[u8]) -> bool {
    has_form(word)
        || word.len() > LONGEST
        || word.len() >= RANDOM && (is_random(word) || has_random_run(word))
}

/// Whether letters that may hold slashes are base64 of something random: paths change less often between kinds of letters.
pub(super) fn is_base64(run: &[u8]) -> bool {
    let has_slashes = run.contains(&b'/') || run.contains(&b'+');
    has_slashes && run.len() >= RANDOM && has_all_kinds(run) && changes(run) * 20 >= run.len() * 9
}

/// Whether this begins with base64 of the beginning of a JSON object, as the parts of a JWT do (RFC 7515 §3.1).
fn is_json(word: &[u8]) -> bool {
    if word.first() != Some(&b'e') {
        return false;
    }
    let mut bits = 0_u64;
    for at in 0..8 {
        let Some(value) = word.get(at).and_then(|letter| sextet(*letter)) else { return false };
        bits = bits << 6 | u64::from(value);
    }
    let bytes = bits.to_be_bytes();
    let [_, _, brace, rest @ ..] = bytes;
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let first = rest.iter().find(|byte| !byte.is_ascii_whitespace());
    brace == b'{' && first.is_none_or(|byte| *byte == b'"') && rest.iter().all(is_text)
}

fn sextet(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => return None,
    })
}

fn is_prefixed(word: &[u8], at: usize) -> bool {
    if at > 0 && word.get(at - 1).is_some_and(u8::is_ascii_alphanumeric) {
        return false;
    }
    let word = word.get(at..).unwrap_or_default();
    PREFIXES.iter().any(|prefix| {
        let rest = word.strip_prefix(prefix.as_bytes()).unwrap_or_default();
        rest.len() >= AFTER_PREFIX && rest.iter().any(u8::is_ascii_digit)
    })
}

/// Letters of both cases and digits with little repetition: no word, no number, no hexadecimal digest, no UUID.
fn is_random(word: &[u8]) -> bool {
    if !has_all_kinds(word) {
        return false;
    }
    let mut counts = [0_u32; 128];
    for byte in word {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = word.len() as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length);
    shares.map(|share| -share * share.log2()).sum::<f64>() >= ENTROPY
}

/// Whether there is a long run of letters of one case and digits in turns, beyond hexadecimal digits.
fn has_random_run(word: &[u8]) -> bool {
    word.split(|byte| !byte.is_ascii_alphanumeric())
        .filter(|run| run.len() >= RANDOM)
        .any(|run| !run.iter().all(u8::is_ascii_hexdigit) && changes(run) * 5 >= run.len())
}

fn has_all_kinds(word: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| word.iter().any(test);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

/// How often the kind of letter changes.
fn changes(word: &[u8]) -> usize {
    let kind = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    word.windows(2).filter(|pair| pair.first().map(kind) != pair.last().map(kind)).count()
}
