//! Arguments of host calls: how they are passed, and how they and what comes back are written down.

use std::fmt::Write as _;

use crate::host::Call;
use crate::{text, vm};

/// One question: a call and its arguments.
pub(crate) struct Probe(pub(crate) Call, pub(crate) &'static [Arg]);

/// An argument, which may be two numbers on the wire.
pub(crate) enum Arg {
    /// A number.
    Number(u32),
    /// A number of 64 bits.
    Long(i64),
    /// Where bytes are, and how many.
    Bytes(&'static [u8]),
    /// The same for one byte so many times.
    Times(u8, usize),
    /// The same for a message of protobuf's.
    Message(&'static [Field]),
    /// The same for header pairs.
    Pairs(&'static [(&'static [u8], &'static [u8])]),
    /// The same for so many pairs of these lengths.
    ManyPairs(usize, usize),
    /// Place and size as they are here, whatever is there.
    At(u32, u32),
    /// A list of pieces for `fd_write`, and how many.
    Pieces(&'static [&'static [u8]]),
    /// What an earlier call gave, by its name.
    Kept(&'static str),

    /// Where the place and size of bytes are to be written.
    OutBytes,
    /// The same, where no more than so many bytes at the start are written down: what follows is not the same twice.
    OutStart(usize),
    /// The same, where the bytes are kept by a name.
    OutKeptBytes(&'static str),
    /// The same for header pairs.
    OutPairs,
    /// Where a number is to be written.
    OutNumber,
    /// Where 64 bits are to be written.
    OutLong,
    /// Where a time is to be written, which is not written down.
    OutTime,
    /// Where a number is to be written, which is kept by a name.
    OutKept(&'static str),
    /// The same, but it is not written down: it says nothing but that it is there.
    OutHidden(&'static str),
    /// Where so many bytes may be written.
    OutArea(usize),
    /// The same, but they are not written down.
    OutScratch(usize),
    /// An address to write to as it is here.
    OutAt(u32),
}

/// A part of a message of protobuf's.
pub(crate) enum Field {
    /// A field of bytes, by its number.
    Data(u8, &'static [u8]),
    /// The same, written down by a name.
    File(u8, &'static str, &'static [u8]),
    /// The same of one byte so many times.
    Times(u8, u8, usize),
    /// A field that is a number.
    Varint(u8, u32),
    /// Bytes as they are here.
    Raw(&'static [u8]),
    /// Bytes that an earlier call gave, by their name.
    Given(&'static str),
}

/// What stands where nothing was written.
const UNTOUCHED: u32 = 0xa5a5_a5a5;
const UNTOUCHED_LONG: u64 = 0xa5a5_a5a5_a5a5_a5a5;
/// Times of day are beyond this, in nanoseconds.
const YEAR_2020: u64 = 1_577_836_800_000_000_000;

/// A result to look at after the call.
enum Out {
    Bytes(usize, Shown),
    Number(usize),
    Long(usize),
    Time(usize),
    Kept(usize, &'static str, bool),
    Area(usize),
}

/// How bytes are written down that the host gives.
enum Shown {
    Bytes,
    Start(usize),
    Kept(&'static str),
    Pairs,
}

impl Field {
    fn pass(&self, line: &mut String, message: &mut Vec<u8>) {
        match self {
            Self::Data(number, bytes) => {
                let _ = write!(line, "{number}: ");
                text::bytes(line, bytes);
                text::put_bytes(message, *number, bytes);
            }
            Self::File(number, name, bytes) => {
                let _ = write!(line, "{number}: {name}");
                text::put_bytes(message, *number, bytes);
            }
            Self::Times(number, byte, times) => {
                let _ = write!(line, "{number}: {:?}*{times}", char::from(*byte));
                text::put_bytes(message, *number, &vec![*byte; *times]);
            }
            Self::Varint(number, value) => {
                let _ = write!(line, "{number}: {value}");
                message.push(number << 3);
                text::put_number(message, *value as usize);
            }
            Self::Raw(bytes) => {
                text::bytes(line, bytes);
                message.extend_from_slice(bytes);
            }
            Self::Given(name) => {
                let _ = write!(line, "${name}");
                message.extend(vm::kept_bytes(name));
            }
        }
    }
}

impl Probe {
    /// Asks, and writes down what came: `call(arguments) -> status results`.
    pub(crate) fn ask(&self, phase: &str) {
        let Self(call, args) = self;
        let mut line = format!("{phase} {}(", call.name().trim_start_matches("proxy_"));
        let mut words = Vec::new();
        // Memory that must live through the call, and does not move: each piece is a box of its own.
        let mut memory: Vec<Box<[u8]>> = Vec::new();
        let mut outs = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let before = line.len();
            line.push_str(if at == 0 { "" } else { ", " });
            let start = line.len();
            arg.pass(&mut line, &mut words, &mut memory, &mut outs);
            if line.len() == start {
                line.truncate(before);
            }
        }
        vm::forget_allocations();
        let status = call.invoke(&words);
        let _ = write!(line, ") -> {status}");
        let results = line.len();
        for out in &outs {
            out.write(&mut line, &memory);
        }
        // Memory that the host took and gave nothing in.
        let allocated = vm::allocations();
        if line.len() == results && !allocated.is_empty() {
            let _ = write!(line, " allocated {allocated:?}");
        }
        vm::say(&line);
    }
}

impl Arg {
    fn pass(
        &self,
        line: &mut String,
        words: &mut Vec<u64>,
        memory: &mut Vec<Box<[u8]>>,
        outs: &mut Vec<Out>,
    ) {
        let mut put = |bytes: Vec<u8>| {
            memory.push(bytes.into_boxed_slice());
            let held = memory.last().map_or(&[][..], |held| held);
            (held.as_ptr() as usize as u64, held.len() as u64, memory.len() - 1)
        };
        match self {
            Self::Number(number) => {
                words.push(u64::from(*number));
                let _ = match number {
                    0..0x1000_0000 => write!(line, "{number}"),
                    large => write!(line, "{large:#x}"),
                };
            }
            Self::Long(number) => {
                words.push(number.cast_unsigned());
                let _ = write!(line, "{number}");
            }
            Self::Bytes(bytes) => {
                text::bytes(line, bytes);
                let (at, size, _) = put(bytes.to_vec());
                words.extend([at, size]);
            }
            Self::Times(byte, times) => {
                let _ = write!(line, "{:?}*{times}", char::from(*byte));
                let (at, size, _) = put(vec![*byte; *times]);
                words.extend([at, size]);
            }
            Self::Message(fields) => {
                let mut message = Vec::new();
                line.push('<');
                for (at, field) in fields.iter().enumerate() {
                    line.push_str(if at == 0 { "" } else { ", " });
                    field.pass(line, &mut message);
                }
                line.push('>');
                let (at, size, _) = put(message);
                words.extend([at, size]);
            }
            Self::Pairs(pairs) => {
                let serialized = text::write_pairs(pairs);
                text::pairs(line, &serialized);
                let (at, size, _) = put(serialized);
                words.extend([at, size]);
            }
            Self::ManyPairs(count, length) => {
                let _ = write!(line, "{{'n'*{length}: 'v'*{length}}}*{count}");
                let (name, value) = (vec![b'n'; *length], vec![b'v'; *length]);
                let (at, size, _) = put(text::write_pairs(&vec![(&*name, &*value); *count]));
                words.extend([at, size]);
            }
            Self::At(at, size) => {
                words.extend([u64::from(*at), u64::from(*size)]);
                let _ = write!(line, "@{at:#x}+{size}");
            }
            Self::Pieces(pieces) => {
                let mut vectors = Vec::new();
                for (at, piece) in pieces.iter().enumerate() {
                    line.push_str(if at == 0 { "" } else { "+" });
                    text::bytes(line, piece);
                    vectors.extend((piece.as_ptr() as usize as u32).to_le_bytes());
                    vectors.extend((piece.len() as u32).to_le_bytes());
                }
                let (at, _, _) = put(vectors);
                words.extend([at, pieces.len() as u64]);
            }
            Self::Kept(name) => {
                words.push(u64::from(vm::kept(name)));
                let _ = write!(line, "${name}");
            }
            Self::OutBytes | Self::OutStart(_) | Self::OutKeptBytes(_) | Self::OutPairs => {
                let (at, _, nth) = put(UNTOUCHED.to_le_bytes().repeat(2));
                words.extend([at, at + 4]);
                let shown = match self {
                    Self::OutStart(count) => Shown::Start(*count),
                    Self::OutKeptBytes(name) => Shown::Kept(name),
                    Self::OutPairs => Shown::Pairs,
                    _ => Shown::Bytes,
                };
                outs.push(Out::Bytes(nth, shown));
            }
            Self::OutNumber | Self::OutKept(_) | Self::OutHidden(_) => {
                let (at, _, nth) = put(UNTOUCHED.to_le_bytes().to_vec());
                words.push(at);
                outs.push(match self {
                    Self::OutKept(name) => Out::Kept(nth, name, true),
                    Self::OutHidden(name) => Out::Kept(nth, name, false),
                    _ => Out::Number(nth),
                });
            }
            Self::OutLong | Self::OutTime => {
                let (at, _, nth) = put(UNTOUCHED_LONG.to_le_bytes().to_vec());
                words.push(at);
                outs.push(if matches!(self, Self::OutTime) { Out::Time(nth) } else { Out::Long(nth) });
            }
            Self::OutArea(size) | Self::OutScratch(size) => {
                let (at, _, nth) = put(vec![0; *size]);
                words.push(at);
                if matches!(self, Self::OutArea(_)) {
                    outs.push(Out::Area(nth));
                }
            }
            Self::OutAt(at) => {
                words.push(u64::from(*at));
                let _ = write!(line, "@{at:#x}");
            }
        }
    }
}

impl Out {
    fn write(&self, line: &mut String, memory: &[Box<[u8]>]) {
        let held = |nth: usize| memory.get(nth).map_or(&[][..], |held| held);
        let number = |nth: usize, at: usize| {
            // The host wrote it behind the compiler's back.
            let word = std::hint::black_box(held(nth)).get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(word)).filter(|number| *number != UNTOUCHED)
        };
        let long = |nth: usize| {
            let word = std::hint::black_box(held(nth)).try_into().ok()?;
            Some(u64::from_le_bytes(word)).filter(|number| *number != UNTOUCHED_LONG)
        };
        line.push(' ');
        let shown = |line: &mut String, number: Option<u64>| {
            let _ = match number {
                Some(number) => write!(line, "{number}"),
                None => write!(line, "-"),
            };
        };
        match self {
            Self::Bytes(nth, how) => match (number(*nth, 0), number(*nth, 4)) {
                (Some(0), Some(0)) => line.push_str("null+0"),
                (Some(at), Some(size)) => {
                    let given = vm::take_back(at, size);
                    match how {
                        Shown::Bytes => text::bytes(line, &given),
                        Shown::Start(count) => {
                            text::bytes(line, given.get(..*count).unwrap_or(&given));
                            line.push_str("..");
                        }
                        Shown::Kept(name) => {
                            vm::keep_bytes(name, given);
                            let _ = write!(line, "${name}");
                        }
                        Shown::Pairs => text::pairs(line, &given),
                    }
                }
                (at, size) => {
                    shown(line, at.map(u64::from));
                    line.push('+');
                    shown(line, size.map(u64::from));
                }
            },
            Self::Number(nth) => shown(line, number(*nth, 0).map(u64::from)),
            Self::Long(nth) => shown(line, long(*nth)),
            Self::Time(nth) => match long(*nth) {
                Some(YEAR_2020..) => line.push_str("time"),
                other => shown(line, other),
            },
            Self::Kept(nth, name, show) => {
                let given = number(*nth, 0);
                if let Some(given) = given {
                    vm::keep(name, given);
                }
                match given {
                    Some(1..) if !show => drop(write!(line, "${name}")),
                    other => shown(line, other.map(u64::from)),
                }
            }
            Self::Area(nth) => text::bytes(line, std::hint::black_box(held(*nth))),
        }
    }
}
