//! `jwt_user_scope_status`: requests by server and result word. What it says of keys is in `status_keys`.

use std::collections::BTreeMap;

use crate::answers::every_refusal;
use crate::common::*;

/// The page, on a socket of its own.
pub const STATUS: &str =
    "server { listen unix:status.sock; server_name status; location = /status { jwt_user_scope_status; } }";

const RESULTS: &str = "log_format results $jwt_user_scope_result;";

fn metrics(nginx: &Nginx) -> Metrics {
    Metrics::of(nginx, "status.sock")
}

/// Waits until a server has decided so often: a request is counted a moment after its answer.
fn eventually_decided(nginx: &Nginx, server: &str, expected: &[(&str, u64)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
    let now = || {
        let mut results = metrics(nginx).results(server);
        results.retain(|_, count| *count > 0);
        results
    };
    eventually(&format!("{server}: {expected:?}"), || now() == expected);
}

fn ask_at(nginx: &Nginx, socket: &str, request: &Request) -> Response {
    Client::connect(&nginx.path(socket)).ask(request)
}

/// Every word that a request can lead to, in enforcing and in reporting locations, over two workers.
#[test]
fn counts_what_the_access_log_shows() {
    let (known, other) = (Issuer::new("known"), Issuer::new("other"));
    let nginx = Setup::new().workers(2).file("set", key_set(&[&known])).http(&format!(
        "{RESULTS}
        {STATUS}
        server {{
            listen unix:nginx.sock;
            server_name first.example second.example;
            access_log access.log results;
            jwt_user_scope_guard /guarded/:user_id;
            location ~ ^/users/(?<user_id>[^/]+)/ {{ jwt_user_scope on; empty_gif; }}
            location ~ ^/report/(?<user_id>[^/]+)/ {{ jwt_user_scope on; jwt_user_scope_mode report; empty_gif; }}
            location /empty/ {{ jwt_user_scope $arg_user; empty_gif; }}
            location /file {{ jwt_user_scope any; jwt_user_scope_key_file set; empty_gif; }}
            location /none {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks; empty_gif; }}
            location = /_jwks {{ internal; return 404; }}
            location /preflight {{ jwt_user_scope any; jwt_user_scope_preflight on; empty_gif; }}
            location /require {{ jwt_user_scope any; jwt_user_scope_require $arg_x; empty_gif; }}
            location /bypass {{ jwt_user_scope $arg_user; jwt_user_scope_bypass $arg_x; empty_gif; }}
            location /long {{ jwt_user_scope any; jwt_user_scope_max_lifetime 1s; empty_gif; }}
            location /issuer {{ jwt_user_scope any; jwt_user_scope_issuer i; empty_gif; }}
            location /audience {{ jwt_user_scope any; jwt_user_scope_audience a; empty_gif; }}
            location /page {{ jwt_user_scope any; error_page 401 = /users/alice/x; empty_gif; }}
            location /off {{ empty_gif; }}
        }}"
    ));
    let alice = uid("alice");
    let mut requests: Vec<Request> = Vec::new();
    for (_, path, token) in every_refusal() {
        for path in [path.to_owned(), path.replace("/users/", "/report/")] {
            requests.push(token.iter().fold(get(path), |request, token| request.token(token)));
        }
    }
    requests.push(get("/file").token(&known.token("alice")));
    requests.push(get("/file").token(&other.token("alice")));
    requests.push(get("/none").token(&known.token("alice")));
    requests.push(get("/guarded/alice").token(&alice));
    requests
        .push(request("OPTIONS", "/preflight").header("Origin", "x").header("Access-Control-Request-Method", "GET"));
    for path in ["/users/alice/x", "/require", "/bypass?user=bob&x=1", "/long", "/issuer", "/audience", "/page", "/off"]
    {
        requests.push(get(path).token(&alice));
    }
    // An internal redirect to another check: one request, and its last decision.
    requests.push(get("/page"));
    let count = 3 * requests.len();
    for request in requests.iter().cycle().take(count) {
        request.send(&nginx);
    }

    let log = logged(&nginx, count);
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    log.iter().filter(|word| !word.is_empty()).for_each(|word| *words.entry(word.clone()).or_default() += 1);
    assert_eq!(words.len(), 21, "every word but internal_error: {words:?}");
    words.insert("internal_error".into(), 0);
    eventually("all are counted", || metrics(&nginx).results("first.example") == words);
    assert_eq!(metrics(&nginx).family("cache_hits_total").len(), 1, "the page's own server checks nothing");
}

const TWO: &str = r#"
    server { listen unix:nginx.sock; server_name one; location / { jwt_user_scope any; empty_gif; } }
    server { listen unix:two.sock; server_name two; location / { jwt_user_scope any; empty_gif; } }
    server { listen unix:again.sock; server_name two; location / { jwt_user_scope any; empty_gif; } }
    server { listen unix:none.sock; location / { jwt_user_scope any; empty_gif; } }
    server { listen unix:odd.sock; server_name 'a"b\c'; location / { jwt_user_scope any; empty_gif; } }
    server { listen unix:free.sock; server_name free; location / { empty_gif; } }"#;

#[test]
fn counts_for_each_server_name() {
    let nginx = Setup::new().http(&format!("{STATUS} {TWO}"));
    for (socket, times) in
        [("nginx.sock", 1), ("two.sock", 2), ("again.sock", 3), ("none.sock", 4), ("odd.sock", 5), ("free.sock", 6)]
    {
        (0..times).for_each(|_| _ = ask_at(&nginx, socket, &get("/").token(&uid("alice"))));
    }
    for (server, count) in [("one", 1), ("two", 5), ("", 4), (r#"a\"b\\c"#, 5)] {
        eventually_decided(&nginx, server, &[("ok", count)]);
    }
    assert!(metrics(&nginx).results("free").is_empty(), "it checks nothing");
}

/// Each worker keeps its own, and what a killed one has counted stays.
#[test]
fn nothing_is_lost_with_a_worker_or_a_reload() {
    let body = |generation: u32| {
        format!(
            "{STATUS} server {{ listen unix:nginx.sock; server_name s;
                location / {{ jwt_user_scope any; empty_gif; }}
                location = /generation {{ return 200 {generation}; }} }}"
        )
    };
    let nginx = Setup::new().workers(2).http(&body(1));
    let ask = |times: u64| (0..times).for_each(|_| assert_eq!(get("/").token(&uid("alice")).send(&nginx).status, 200));
    ask(40);
    eventually_decided(&nginx, "s", &[("ok", 40)]);

    let workers = children_of(nginx.master());
    nginx.kill(workers[0]);
    eventually("a new worker", || {
        let now = children_of(nginx.master());
        now.len() == 2 && !now.contains(&workers[0])
    });
    ask(20);
    eventually_decided(&nginx, "s", &[("ok", 60)]);

    nginx.rewrite(&body(2));
    nginx.reload();
    eventually("the new configuration serves", || get("/generation").send(&nginx).text() == "2");
    ask(10);
    eventually_decided(&nginx, "s", &[("ok", 70)]);
    let hits = metrics(&nginx).has(r#"cache_hits_total{server="s"}"#);
    let checked: u64 = metrics(&nginx).family("verifications_total").iter().map(|(_, count)| count).sum();
    // A worker checks the token once, and a new one once more.
    assert_eq!(hits + checked, 70);
    assert!((3..=5).contains(&checked), "{checked}");
}

#[test]
fn a_server_that_comes_back_goes_on_and_one_that_left_is_not_shown() {
    let one = "server { listen unix:nginx.sock; server_name one; location / { jwt_user_scope any; empty_gif; } }";
    let nginx = Setup::new().http(&format!("{STATUS} {one}"));
    get("/").send(&nginx);
    eventually_decided(&nginx, "one", &[("missing_token", 1)]);
    for (name, before) in [("other", &[][..]), ("one", &[("missing_token", 1)][..])] {
        nginx.rewrite(&format!("{STATUS} {}", one.replace("server_name one", &format!("server_name {name}"))));
        nginx.reload();
        eventually("it is shown", || !metrics(&nginx).results(name).is_empty());
        eventually_decided(&nginx, name, before);
        assert_eq!(metrics(&nginx).family("cache_hits_total").len(), 1);
    }
}

#[test]
fn a_variable_read_early_and_a_subrequest_count_nothing_more() {
    let nginx = Setup::new().http(&format!(
        "{STATUS} server {{ listen unix:nginx.sock; server_name s; log_subrequest on;
            location / {{
                jwt_user_scope any;
                if ($jwt_user_scope_result = expired) {{ return 403; }}
                auth_request /sub;
                empty_gif;
            }}
            location = /sub {{ jwt_user_scope any; return 204; }} }}"
    ));
    get("/").token(&uid("alice")).send(&nginx);
    get("/").token(&token(r#"{"uid":"alice","exp":1}"#)).send(&nginx);
    get("/").send(&nginx);
    eventually_decided(&nginx, "s", &[("ok", 1), ("expired", 1), ("missing_token", 1)]);
}

/// As with nginx's own `stub_status`.
#[test]
fn the_page_is_for_get_and_head() {
    let nginx = Setup::new().http(&format!("{STATUS} {TWO}"));
    let get = ask_at(&nginx, "status.sock", &get("/status"));
    let mut client = Client::connect(&nginx.path("status.sock"));
    let head = client.ask(&request("HEAD", "/status").header("Connection", "close"));
    assert_eq!((head.status, client.rest()), (200, Vec::new()));
    for name in ["Content-Type", "Content-Length"] {
        assert_eq!(head.all(name), get.all(name), "{name}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let response = ask_at(&nginx, "status.sock", &request(method, "/status").body(b"x".to_vec()));
        assert_eq!(response.status, 405, "{method}");
    }
}

/// The page is a location like any other.
#[test]
fn the_page_can_be_protected_compressed_and_included() {
    let nginx = Setup::new().server(
        "server_name s; gzip on; gzip_min_length 1; gzip_types text/plain; charset utf-8;
        location = /denied { deny all; jwt_user_scope_status; }
        location = /checked { jwt_user_scope any; jwt_user_scope_status; }
        location = /status { jwt_user_scope_status; }
        location = /page { auth_request /checked; empty_gif; }",
    );
    assert_eq!(get("/denied").send(&nginx).status, 403);
    expect("no token", "missing_token", &get("/checked").send(&nginx));
    expect("a token", "ok", &get("/checked").token(&uid("alice")).send(&nginx));
    assert_eq!(get("/page").token(&uid("alice")).send(&nginx).status, 200, "in a subrequest");
    let compressed = get("/status").header("Accept-Encoding", "gzip").send(&nginx);
    assert_eq!((compressed.status, compressed.header("Content-Encoding")), (200, Some("gzip")));
    let metrics = Metrics::of(&nginx, "nginx.sock");
    assert_eq!(metrics.has(r#"requests_total{server="s",result="missing_token"}"#), 1);
}

#[test]
fn without_a_check_the_page_is_empty() {
    let nginx =
        Setup::new().http(&format!("{STATUS} server {{ listen unix:nginx.sock; location / {{ empty_gif; }} }}"));
    assert_eq!(metrics(&nginx).family("requests_total"), []);
    assert_eq!(get("/").send(&nginx).status, 200);
}

/// There is room for about a thousand servers: one more is not counted, and served all the same.
#[test]
fn what_finds_no_room_is_served_and_not_counted() {
    let servers: String = (0..1200)
        .map(|i| {
            let socket = if i == 0 {
                "nginx.sock"
            } else if i == 1199 {
                "last.sock"
            } else {
                "many.sock"
            };
            format!(
                "server {{ listen unix:{socket}; server_name s{i}; location / {{ jwt_user_scope any; empty_gif; }} }}\n"
            )
        })
        .collect();
    let nginx = Setup::new().http(&format!("server_names_hash_max_size 8192; {STATUS} {servers}"));
    for socket in ["nginx.sock", "last.sock"] {
        assert_eq!(ask_at(&nginx, socket, &get("/").token(&uid("alice"))).status, 200, "{socket}");
    }
    eventually_decided(&nginx, "s0", &[("ok", 1)]);
    let counted = metrics(&nginx).family("cache_hits_total").len();
    assert!((900..1200).contains(&counted), "{counted} servers");
    assert!(metrics(&nginx).results("s1199").is_empty());
    let told = nginx.log_with("\"jwt_user_scope_status\" has no room for ");
    assert!(told.len() == 1 && told[0].contains("[warn]"), "{told:?}");
}

/// With `master_process off`, a reload frees the memory of the counters in the very process that still has requests to count.
/// (nginx accepts no connections after such a reload.)
#[test]
fn in_one_process_a_reload_without_the_page_leaves_nobody_without_ground() {
    let server = "server { listen unix:nginx.sock; server_name s; jwt_user_scope_secret file:secret;
        location / { jwt_user_scope any; empty_gif; } }";
    let nginx = Setup::new().single_process().without_env().file("secret", SECRET).http(&format!("{STATUS} {server}"));
    let mut client = nginx.client();
    let bytes = get("/").token(&uid("alice")).bytes();
    client.send(&bytes);
    assert_eq!(client.receive("GET").status, 200);
    eventually_decided(&nginx, "s", &[("ok", 1)]);
    let (begin, rest) = bytes.split_at(bytes.len() - 4);
    client.send(begin);
    eventually("nginx has begun to read", || {
        let mut other = nginx.client();
        other.send(b"GET /x HTTP/1.0\r\n\r\n");
        other.receive("GET").status == 401
    });
    // Twice: the memory is kept the first time, and freed the second time.
    for (reload, body) in [(2, format!("{STATUS} {server}")), (3, server.to_owned())] {
        nginx.rewrite(&body);
        nginx.reload();
        eventually("nginx has read it", || nginx.log_with("using the \"").len() == reload);
    }
    client.send(rest);
    assert_eq!(client.receive("GET").status, 200);
}

#[test]
fn nonsense_is_a_configuration_error() {
    let cases = [
        ("location / { jwt_user_scope_status on; }", "invalid number of arguments"),
        (
            "location / { jwt_user_scope_status; jwt_user_scope_status; }",
            "\"jwt_user_scope_status\" directive is duplicate",
        ),
        ("jwt_user_scope_status;", "directive is not allowed here"),
        ("location / { if ($arg_x) { jwt_user_scope_status; } }", "directive is not allowed here"),
        ("location / { limit_except GET { jwt_user_scope_status; } }", "directive is not allowed here"),
    ];
    for (line, says) in cases {
        let check = Setup::new().check(&format!("server {{ listen unix:nginx.sock;\n{line} # here\n}}"));
        assert!(!check.accepted, "{line}: accepted");
        assert!(check.stderr.contains(says) && check.stderr.contains(&check.here), "{line}: {}", check.stderr);
    }
    let check = Setup::new().check("jwt_user_scope_status; server { listen unix:nginx.sock; }");
    assert!(!check.accepted && check.stderr.contains("not allowed here"), "{}", check.stderr);
}
