//! Collections, macros, conversions, times, and how deep all may be.

use crate::arg::Arg::*;
use crate::arg::Field::Given;
use crate::arg::Probe;
use crate::host::Call::proxy_call_foreign_function;

/// All of them.
pub(super) const TABLES: &[&[Probe]] = &[
    COLLECTIONS.as_flattened(),
    MACROS.as_flattened(),
    CONVERSIONS.as_flattened(),
    TIMES.as_flattened(),
    NESTED.as_flattened(),
];

const COLLECTIONS: &[[Probe; 3]] = ask_all![
    b"[1, 2][0]",
    b"[1, 2][2]",
    b"[1, 2][-1]",
    b"[1, 2][1u]",
    b"[1, 2][1.0]",
    b"[1, 2][1.5]",
    b"[1, 2]['0']",
    b"{'a': 1}['a']",
    b"{'a': 1}.a",
    b"{'a': 1}.b",
    b"{'a': 1}['b']",
    b"{1: 'a'}[1u]",
    b"{1: 'a'}[1.0]",
    b"{1: 'a'}[1.5]",
    b"{1: 'a'}['1']",
    b"{true: 'a'}[true]",
    b"{'a': 1}[null]",
    b"{'a': 1}[b'a']",
    b"has({'a': 1}.a)",
    b"has({'a': 1}.b)",
    b"has([1].a)",
    b"has('a'.b)",
    b"1 in [1, 2]",
    b"1.0 in [1, 2]",
    b"'1' in [1, 2]",
    b"'a' in {'a': 1}",
    b"'b' in {'a': 1}",
    b"1 in {1u: 'a'}",
    b"1.5 in {1: 'a'}",
    b"b'a' in {'a': 1}",
    b"null in {'a': 1}",
    b"'a' in 'abc'",
    b"1 in 1",
    b"[1].a",
    b"1.a",
    b"'a'.b",
    b"null.a",
];

const MACROS: &[[Probe; 3]] = ask_all![
    b"[1, 2].all(x, x > 0)",
    b"[1, 2].all(x, x > 1)",
    b"[].all(x, false)",
    b"[1, 2].exists(x, x > 1)",
    b"[].exists(x, true)",
    b"[1, 2].exists_one(x, x > 1)",
    b"[1, 2].exists_one(x, x > 0)",
    b"[1, 2].existsOne(x, x > 1)",
    b"[1, 2].map(x, x * 2)",
    b"[1, 2].map(x, x > 1, x * 2)",
    b"[1, 2].filter(x, x > 1)",
    b"{'a': 1}.map(k, k)",
    b"{'a': 1}.all(k, k == 'a')",
    b"{'a': 1}.filter(k, true)",
    b"[1, 'a'].all(x, x > 1)",
    b"['a', 1].all(x, x > 1)",
    b"['a', 2].exists(x, x > 1)",
    b"['a', 0].exists(x, x > 1)",
    b"['a', 2].exists_one(x, x > 1)",
    b"['a', 2].map(x, x + 1)",
    b"['a', 2].filter(x, x > 1)",
    b"[1].all(x, 1)",
    b"[1].exists(x, 1)",
    b"[1].exists_one(x, 1)",
    b"[1].filter(x, 1)",
    b"[1].map(x, 1, x)",
    b"1.map(x, x)",
    b"'a'.map(x, x)",
    b"1.all(x, true)",
    b"[[1], [2]].map(x, x.map(y, y + 1))",
    b"[1].map(x, [2].map(x, x))",
    b"[1].map(request, request)",
    b"[1].map(x, absent)",
    b"[1].all(x, absent)",
    b"[1].exists(int, int == 1)",
    b"request.headers.map(name, name).size() > 0",
    b"request.map(name, name)",
    b"request.all(name, false)",
    b"request.exists(name, true)",
];

const CONVERSIONS: &[[Probe; 3]] = ask_all![
    b"int(1u)",
    b"int(1.9)",
    b"int(-1.9)",
    b"int(1e19)",
    b"int('12')",
    b"int('-12')",
    b"int(' 12')",
    b"int('0x1')",
    b"int('a')",
    b"int(true)",
    b"int(18446744073709551615u)",
    b"int(null)",
    b"uint(1)",
    b"uint(-1)",
    b"uint(1.9)",
    b"uint(-1.9)",
    b"uint('1')",
    b"uint('1u')",
    b"uint('-1')",
    b"double(1)",
    b"double('1.5')",
    b"double('a')",
    b"double('nan') == 1.0",
    b"string(1)",
    b"string(1u)",
    b"string(1.5)",
    b"string(0.1)",
    b"string(100000.0)",
    b"string(1234567.0)",
    b"string(0.00001)",
    b"string(1e100)",
    b"string(123456.0)",
    b"string(12345.678)",
    b"string(1.0 / 3.0)",
    b"string(123456789.125)",
    b"string(1e15)",
    b"string(-0.0)",
    b"string(0.0001)",
    b"string(5e-324)",
    b"string(1.0 / 0.0)",
    b"string(true)",
    b"string('a')",
    b"string(b'a')",
    b"string(b'\\xff')",
    b"string(null)",
    b"string([1])",
    b"bytes('a')",
    b"bytes(b'a')",
    b"bytes(1)",
    b"bool('true')",
    b"bool('yes')",
    b"bool(true)",
    b"bool(1)",
    b"dyn(1)",
    b"type(1)",
    b"type(1) == int",
    b"type(1u) == uint",
    b"type('a') == string",
    b"type(b'a') == bytes",
    b"type(1.5) == double",
    b"type(true) == bool",
    b"type(null) == null_type",
    b"type([1]) == list",
    b"type({}) == map",
    b"type(int) == type",
    b"type(request) == map",
    b"int",
    b"type(duration('1s')) == google.protobuf.Duration",
];

const TIMES: &[[Probe; 3]] = ask_all![
    b"duration('1h2m3.5s')",
    b"duration('-1.5ms')",
    b"duration('0')",
    b"duration('1')",
    b"duration('')",
    b"duration('1d')",
    b"duration('10000000000h')",
    b"duration('1s') + duration('2s')",
    b"duration('1s') < duration('2s')",
    b"string(duration('1.5s'))",
    b"string(duration('90m'))",
    b"string(duration('-1.5s'))",
    b"string(duration('1us'))",
    b"string(duration('1ns'))",
    b"string(timestamp('2020-02-29T12:34:56.5Z'))",
    b"duration('90m').getHours()",
    b"duration('90m').getMinutes()",
    b"duration('90m').getSeconds()",
    b"duration('1.25s').getMilliseconds()",
    b"duration('1s').getFullYear()",
    b"timestamp('2020-02-29T12:34:56.789Z')",
    b"timestamp('2020-02-29T12:34:56+01:00')",
    b"timestamp('2020-02-30T12:34:56Z')",
    b"timestamp('2020-02-29')",
    b"timestamp('now')",
    b"timestamp(1)",
    b"timestamp('1969-12-31T23:59:59Z')",
    b"timestamp('2020-02-29T12:34:56Z').getFullYear()",
    b"timestamp('2020-02-29T12:34:56Z').getMonth()",
    b"timestamp('2020-02-29T12:34:56Z').getDate()",
    b"timestamp('2020-02-29T12:34:56Z').getDayOfMonth()",
    b"timestamp('2020-02-29T12:34:56Z').getDayOfYear()",
    b"timestamp('2020-02-29T12:34:56Z').getDayOfWeek()",
    b"timestamp('2020-02-29T12:34:56Z').getHours()",
    b"timestamp('2020-02-29T12:34:56Z').getMinutes()",
    b"timestamp('2020-02-29T12:34:56Z').getSeconds()",
    b"timestamp('2020-02-29T12:34:56.789Z').getMilliseconds()",
    b"timestamp('2020-02-29T12:34:56Z').getHours('Nowhere/Else')",
    b"timestamp('2020-02-29T12:34:56Z').getHours('UTC', 'UTC')",
    b"timestamp('2020-02-29T12:34:56Z') + duration('1h')",
    b"duration('1h') + timestamp('2020-02-29T12:34:56Z')",
    b"timestamp('2020-02-29T12:34:56Z') - timestamp('2020-02-29T12:34:55Z')",
    b"timestamp('2020-02-29T12:34:56Z') < timestamp('2020-02-29T12:34:57Z')",
    b"int(timestamp('2020-02-29T12:34:56.9Z'))",
    b"string(timestamp('2020-02-29T12:34:56.789Z'))",
    b"string(timestamp('2020-02-29T12:34:56Z'))",
];

/// A text in the middle of so many bytes that open and close.
const fn around<const N: usize>(open: u8, close: u8) -> [u8; N] {
    let mut text = [open; N];
    let mut at = N / 2;
    text[at] = b'1';
    while at + 1 < N {
        at += 1;
        text[at] = close;
    }
    text
}

/// So many of one thing, with a sign between them.
const fn chain<const N: usize>(thing: u8, sign: u8) -> [u8; N] {
    let mut text = [thing; N];
    let mut at = 1;
    while at < N {
        text[at] = sign;
        at += 2;
    }
    text
}

/// Signs before `1`.
const fn before<const N: usize>(sign: u8) -> [u8; N] {
    let mut text = [sign; N];
    text[N - 1] = b'1';
    text
}

const NESTED: &[[Probe; 3]] = ask_all![
    &around::<21>(b'(', b')'),
    &around::<61>(b'(', b')'),
    &around::<63>(b'(', b')'),
    &around::<65>(b'(', b')'),
    &around::<67>(b'(', b')'),
    &around::<101>(b'(', b')'),
    &around::<501>(b'(', b')'),
    &around::<2001>(b'(', b')'),
    &around::<21>(b'[', b']'),
    &around::<59>(b'[', b']'),
    &around::<61>(b'[', b']'),
    &around::<63>(b'[', b']'),
    &around::<65>(b'[', b']'),
    &around::<101>(b'[', b']'),
    &chain::<59>(b'1', b'+'),
    &chain::<61>(b'1', b'+'),
    &chain::<63>(b'1', b'-'),
    &chain::<65>(b'1', b'-'),
    &chain::<67>(b'1', b'+'),
    &chain::<101>(b'1', b'+'),
    &chain::<2001>(b'1', b'+'),
    &chain::<61>(b'1', b'*'),
    &chain::<63>(b'1', b'*'),
    &chain::<61>(b'1', b'<'),
    &chain::<63>(b'1', b'<'),
    &chain::<61>(b'a', b'.'),
    &chain::<63>(b'a', b'.'),
    &chain::<65>(b'a', b'.'),
    &chain::<101>(b'a', b'.'),
    &before::<32>(b'-'),
    &before::<101>(b'-'),
    &before::<34>(b'!'),
    b"a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    b"a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    b"true||true&&true||true&&true||true&&true||true&&true||true&&true||true&&true||true&&true||true&&true||true&&true",
    b"true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||\
      true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||true||true",
    b"true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:\
      true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:2",
    b"true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:\
      true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:true?1:2",
];
