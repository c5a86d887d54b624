//! No memory: every allocation of nginx and of the module fails once, and once with all that follow. Whatever fails, a
//! request that must be refused never gets through, the worker lives, and the next request is answered as ever.
//!
//! nginx takes small pieces from blocks that it has. `make faults` runs the same on an nginx that allocates each.

mod cases;
mod configuration;
mod fetching;

use crate::common::*;
use rustix::process::{Pid, test_kill_process};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// What must become of a request, whether there is memory or not.
#[derive(Clone, Copy)]
enum Must {
    /// It may pass, and the backend is then told this user and this role.
    Pass(&'static str, &'static str),
    /// It is refused.
    Fail,
    /// Nothing is checked here, or it is only reported.
    Anything,
}

struct Case {
    name: &'static str,
    request: Box<dyn Fn(u32) -> Request + Send + Sync>,
    must: Must,
}

/// The same request each time.
fn case(name: &'static str, request: Request, must: Must) -> Case {
    let request = request.header("Connection", "close");
    Case { name, request: Box::new(move |_| request.clone()), must }
}

/// Another request each time, by its number.
fn fresh(name: &'static str, request: impl Fn(u32) -> Request + Send + Sync + 'static, must: Must) -> Case {
    Case { name, request: Box::new(move |number| request(number).header("Connection", "close")), must }
}

struct Sweep {
    nginx: Nginx,
    backend: Backend,
    shortage: Shortage,
    worker: u32,
    asked: AtomicU32,
}

impl Sweep {
    fn over(setup: Setup, body: &str) -> Sweep {
        let (setup, shortage) = setup.with_shortage();
        let nginx = setup.log_level("notice").http(body);
        for text in ["Cannot allocate memory", "out of memory", "no memory", "refused with 500 internal_error"] {
            nginx.tolerate(text);
        }
        let (backend, worker) = (Backend::of(&nginx), children_of(nginx.master())[0]);
        // It is there before it is ready, and may be short of memory then.
        get("/").send(&nginx);
        Sweep { nginx, backend, shortage, worker, asked: AtomicU32::new(0) }
    }

    /// The answer, once it is proved to be one that this case may have.
    fn ask(&self, case: &Case, when: &str) -> Option<Response> {
        let request = (case.request)(self.asked.fetch_add(1, Ordering::SeqCst));
        let response = request.try_send(&self.nginx);
        let reached = self.backend.take();
        let status = response.as_ref().map_or(0, |response| response.status);
        let what = format!("{}, {when}: {response:?}, backend: {reached:?}", case.name);
        match case.must {
            Must::Pass(user, role) => {
                assert!(status == 0 || status == 200 || status >= 400, "{what}");
                assert!(status != 200 || reached.len() == 1, "{what}");
                for head in reached {
                    let has = |line: String| head.lines().any(|other| other.eq_ignore_ascii_case(&line));
                    assert!(has(format!("X-User: {user}")) && has(format!("X-Role: {role}")), "{what}");
                }
            }
            Must::Fail => assert!((status == 0 || status >= 400) && reached.is_empty(), "{what}"),
            Must::Anything => assert!(status == 0 || status == 200 || status >= 500, "{what}"),
        }
        assert!(is_alive(self.worker), "the worker died: {what}");
        response
    }

    /// Asks as often as allocations can fail: how often that was, and how often the answer had which status.
    fn sweep(&self, case: &Case, fail: impl Fn(u32)) -> (u32, BTreeMap<u16, u32>) {
        let seen_as = |response: Option<Response>| response.map(|response| (response.status, response.body));
        let usual = seen_as(self.ask(case, "with memory"));
        let mut statuses = BTreeMap::new();
        for number in 1.. {
            fail(number);
            let response = self.ask(case, &format!("allocation {number}"));
            if self.shortage.end() == 0 {
                assert_eq!(seen_as(response), usual, "{}, untouched", case.name);
                return (number - 1, statuses);
            }
            *statuses.entry(response.map_or(0, |response| response.status)).or_default() += 1;
            let after = format!("after allocation {number}");
            assert_eq!(seen_as(self.ask(case, &after)), usual, "{}, {after}", case.name);
        }
        unreachable!("there are not as many allocations")
    }

    fn run(&self, cases: &[Case]) {
        for case in cases {
            let (once, statuses) = self.sweep(case, |number| self.shortage.only(number));
            println!("{}: {once} allocations failed, answers {statuses:?}", case.name);
            assert!(once > 0, "{} asks for no memory", case.name);
            let (lasting, statuses) = self.sweep(case, |number| self.shortage.since(number));
            println!("{}: {lasting} times all that followed too, answers {statuses:?}", case.name);
        }
    }
}

fn is_alive(process: u32) -> bool {
    Pid::from_raw(process.cast_signed()).is_some_and(|process| test_kill_process(process).is_ok())
}
