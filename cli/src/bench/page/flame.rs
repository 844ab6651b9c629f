//! The stacks of a profile as a flame graph: the wider a function, the more of the time it was on the stack.

use maud::{Markup, html};

use super::super::profile::{Hot, Node};
use super::super::units::as_float;
use super::plot::{cut, n, picture};

const WIDTH: f64 = 1060.0;
const ROW: f64 = 18.0;
/// Functions narrower than this are left out.
const NARROWEST: f64 = 1.5;
/// Rows that are drawn.
const DEEPEST: usize = 60;
/// How wide a letter is.
const LETTER: f64 = 6.2;

/// A function to draw.
struct Block<'n> {
    name: &'n str,
    node: &'n Node,
    left: f64,
    width: f64,
    depth: usize,
}

/// The flame graph, callers above what they call.
pub(super) fn graph(hot: &Hot) -> Markup {
    let mut blocks = Vec::new();
    lay_out(&hot.tree, 0.0, WIDTH, 0, &mut blocks);
    let rows = blocks.iter().map(|block| block.depth + 1).max().unwrap_or(1);
    let share = |weight: u64| as_float(weight) / as_float(hot.samples.max(1)) * 100.0;
    html! {
        (picture(WIDTH, ROW * as_float(rows as u64) + 2.0, "flame graph", html! {
            @for block in &blocks {
                @let top = ROW * as_float(block.depth as u64);
                g {
                    title { (block.name) (format!(": {:.1}%", share(block.node.weight))) }
                    rect class=(if block.node.is_host { "flame host".to_owned() } else { format!("flame f{}", hue(block.name)) })
                        x=(n(block.left)) y=(n(top + 1.0)) width=(n((block.width - 0.6).max(0.5))) height=(n(ROW - 1.5)) rx="2" {}
                    @if block.width > 36.0 {
                        text.on x=(n(block.left + 5.0)) y=(n(top + 13.0)) { (cut(tail(block.name, block.width), letters(block.width))) }
                    }
                }
            }
        }))
    }
}

fn lay_out<'n>(node: &'n Node, left: f64, width: f64, depth: usize, blocks: &mut Vec<Block<'n>>) {
    if depth >= DEEPEST {
        return;
    }
    let mut at = left;
    for (name, called) in &node.called {
        let wide = width * as_float(called.weight) / as_float(node.weight.max(1));
        if wide >= NARROWEST {
            blocks.push(Block { name, node: called, left: at, width: wide, depth });
            lay_out(called, at, wide, depth + 1, blocks);
        }
        at += wide;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width of at most a page")]
fn letters(width: f64) -> usize {
    ((width - 8.0) / LETTER).max(1.0) as usize
}

/// The end of a path where the whole does not fit: the last two names, or after what is no plain path the last.
fn tail(name: &str, width: f64) -> &str {
    if name.chars().count() <= letters(width) {
        return name;
    }
    let nth = usize::from(!name.contains(['<', ' ']));
    let start = name.rmatch_indices("::").nth(nth).map_or(0, |(at, _)| at + 2);
    name.get(start..).unwrap_or(name)
}

/// One of a few shades, the same for functions of one name.
fn hue(name: &str) -> u32 {
    name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) % 5
}
