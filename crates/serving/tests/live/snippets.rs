//! The snippets of docs/model-servers.md, on a real redis-server.

use std::process::Command;

use crate::child::root;
use crate::redis_server::RedisServer;

#[path = "../../../../docs/snippets/generation.rs"]
mod generation;

#[tokio::test]
async fn in_rust_answers_change_with_the_pointer_and_come_back_with_it() {
    let server = RedisServer::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut cache = client.get_multiplexed_async_connection().await.unwrap();
    let mut answer = async |version: &str| {
        let given = (format!("by {version}"), version.to_owned());
        generation::cached(&mut cache, "news", "a", async || given).await.unwrap()
    };
    assert_eq!(answer("v1").await, "by v1");
    assert_eq!(answer("v2").await, "by v2", "no pointer: nothing is read");
    let () = server.ask(&["SET", "news:generation", "v1"]);
    assert_eq!(answer("v3").await, "by v1", "the canary's answer is no answer of v1");
    let () = server.ask(&["SET", "news:generation", "v2"]);
    assert_eq!(answer("v3").await, "by v2", "warm from the canary");
    let () = server.ask(&["SET", "news:generation", "v1"]);
    assert_eq!(answer("v3").await, "by v1", "the former entries are there at once");
}

const PYTHON: &str = r#"
import sys, redis, generation
cache = redis.Redis.from_url(sys.argv[1], decode_responses=True)
answer = lambda version: generation.cached(cache, "news", "a", lambda: (f"by {version}", version))
seen = [answer("v1"), answer("v2")]
for pointer in ("v1", "v2", "v1"):
    cache.set("news:generation", pointer)
    seen.append(answer("v3"))
print(*seen, sep=", ")
"#;

#[tokio::test]
async fn in_python_too() {
    let server = RedisServer::start().await;
    let ran = Command::new(root().join(".venv-servers/bin/python"))
        .args(["-c", PYTHON, &server.url()])
        .env("PYTHONPATH", root().join("docs/snippets"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let error = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(said.trim(), "by v1, by v2, by v1, by v2, by v1", "{error}");
}
