//! How many instructions a step of the core takes, counted by valgrind: the same on every run of the same binary.
//! `instructions.txt` beside this file is what they were, so that a change that makes the hot path dearer is seen.

#![allow(missing_docs, reason = "the macros below make public items")]

use std::hint::black_box;

use authz::{Guard, Path};
use gungraun::{library_benchmark, library_benchmark_group, main};

const PLAIN: &[u8] = b"/api/users/JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u/files/report.pdf";
const ENCODED: &[u8] = b"/api/users/JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u/files/my%20report.pdf";
const DECODED: &[u8] = b"/api/users/JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u/files/my report.pdf";
const OTHER: &[u8] = b"/static/assets/js/vendor.4f3a2b1c9d8e7f6a5b4c3d2e1f0a9b.js";
const USER: &[u8] = b"JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u";

/// A path, once the functions that choose themselves by processor have done so.
fn path(raw: &'static [u8], uri: &'static [u8]) -> Path<'static> {
    let path = Path { raw, uri, rewritten: false };
    black_box(path.is_unambiguous());
    path
}

fn guard(raw: &'static [u8]) -> (&'static Guard, &'static [u8]) {
    let guard: &Guard = Box::leak(Box::default());
    black_box(guard.is_uncovered(raw, None, None));
    let mut guard = Guard::new();
    guard.add(b"/api/users/:user_id").expect("a template");
    (Box::leak(Box::new(guard)), raw)
}

#[library_benchmark]
#[bench::plain(path(PLAIN, PLAIN))]
#[bench::encoded(path(ENCODED, DECODED))]
fn path_rule(path: Path) -> bool {
    black_box(path).is_unambiguous()
}

#[library_benchmark]
#[bench::plain_not_under(guard(OTHER))]
#[bench::plain_under(guard(PLAIN))]
#[bench::encoded_under(guard(ENCODED))]
fn guard_check((guard, raw): (&Guard, &[u8])) -> bool {
    guard.is_uncovered(black_box(raw), None, Some(black_box(USER)))
}

library_benchmark_group!(name = paths, benchmarks = [path_rule, guard_check]);
main!(library_benchmark_groups = paths);
