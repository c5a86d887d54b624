//! Two workers that a test tells apart.

use super::{Client, Nginx, eventually, get};

/// Says which worker has answered.
pub const PID_LOCATION: &str = "location = /pid { return 200 $pid; }";

/// The process ids of two workers, and as many connections to each as asked for. nginx leaves it to the kernel who
/// accepts.
pub fn by_worker(nginx: &Nginx, each: usize) -> [(u32, Vec<Client>); 2] {
    let mut workers: Vec<(u32, Vec<Client>)> = Vec::new();
    eventually("both workers accept", || {
        let mut client = nginx.client();
        let worker = client.ask(&get("/pid")).text().parse().expect("a process id");
        match workers.iter_mut().find(|(pid, _)| *pid == worker) {
            Some((_, clients)) if clients.len() < each => clients.push(client),
            Some(_) => {}
            None => workers.push((worker, vec![client])),
        }
        workers.len() == 2 && workers.iter().all(|(_, clients)| clients.len() == each)
    });
    workers.try_into().unwrap_or_else(|_| panic!("not two workers"))
}
