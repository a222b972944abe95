//! The pointer and the clean-up, on real redis-servers.

use std::time::Instant;

use perch_app::ports::{PortError, SwitchCache, Switched};
use perch_core::names::ModelName;
use perch_core::target::Cache;
use perch_serving::Caches;
use serde_json::json;

use crate::child::eventually;
use crate::redis_server::{RedisCluster, RedisServer};
use crate::world::{Secrets, cache, later, refused};

fn news() -> ModelName {
    "news".parse().unwrap()
}

fn caches() -> Caches<Secrets> {
    Caches::new(Secrets).unwrap()
}

fn redis(server: &RedisServer) -> Cache {
    cache(json!({ "redis": { "url": server.url(), "cleanUp": 100 } }))
}

fn other(found: Option<&str>) -> Switched {
    Switched::Other { found: found.map(str::to_owned) }
}

#[tokio::test]
async fn the_pointer_moves_only_from_what_was_expected() {
    let server = RedisServer::start().await;
    let (caches, cache, news) = (caches(), redis(&server), news());
    let switch = async |from, to| caches.switch(&cache, &news, from, to).await.unwrap();
    assert_eq!(caches.generation(&cache, &news).await.unwrap(), None);
    assert_eq!(switch(Some("v1"), "v2").await, other(None), "a pointer that was lost is not v1");
    assert_eq!(switch(None, "v1").await, Switched::Done);
    assert_eq!(switch(None, "v1").await, Switched::Done, "repeated");
    assert_eq!(switch(Some("v1"), "v2").await, Switched::Done);
    assert_eq!(switch(Some("v1"), "v2").await, Switched::Done, "repeated");
    assert_eq!(switch(None, "v3").await, other(Some("v2")), "no pointer was expected");
    assert_eq!(switch(Some("v1"), "v3").await, other(Some("v2")), "changed by someone else");
    assert_eq!(switch(Some("v2"), "v1").await, Switched::Done, "back");
    assert_eq!(caches.generation(&cache, &news).await.unwrap().as_deref(), Some("v1"));
    assert_eq!(server.ask::<String>(&["GET", "news:generation"]), "v1");
    assert_eq!(server.ask::<i64>(&["TTL", "news:generation"]), -1, "it never expires");
}

#[tokio::test]
async fn of_two_that_switch_at_once_one_wins() {
    let server = RedisServer::start().await;
    let () = server.ask(&["SET", "news:generation", "v1"]);
    let (caches, cache, news) = (caches(), redis(&server), news());
    let targets: Vec<String> = (2..10).map(|n| format!("v{n}")).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for to in targets {
        let (caches, cache, news) = (caches.clone(), cache.clone(), news.clone());
        tasks.spawn(async move { caches.switch(&cache, &news, Some("v1"), &to).await.unwrap() });
    }
    let done = tasks.join_all().await.into_iter().filter(|s| *s == Switched::Done).count();
    assert_eq!(done, 1);
}

#[tokio::test]
async fn a_pointer_with_another_name_or_kind_is_respected() {
    let server = RedisServer::start().await;
    let named = cache(json!({ "redis": { "url": server.url(), "pointer": "mine" } }));
    let (caches, news) = (caches(), news());
    assert_eq!(caches.switch(&named, &news, None, "v1").await.unwrap(), Switched::Done);
    assert_eq!(server.ask::<String>(&["GET", "mine"]), "v1");
    let () = server.ask(&["LPUSH", "news:generation", "no", "text"]);
    let plain = redis(&server);
    assert!(refused(caches.generation(&plain, &news).await).contains("WRONGTYPE"));
    assert!(refused(caches.switch(&plain, &news, None, "v1").await).contains("WRONGTYPE"));
}

#[tokio::test]
async fn former_generations_are_deleted_up_to_the_limit() {
    let server = RedisServer::start().await;
    let (caches, news) = (caches(), news());
    for n in 0..150 {
        for generation in ["v1", "v2", "v3"] {
            let () = server.ask(&["SET", &format!("news:{generation}:{n}"), "x"]);
        }
    }
    let kept = ["news:generation", "newsletter:v1:1", "news:v1", "other:v1:1"];
    for key in kept {
        let () = server.ask(&["SET", key, "v3"]);
    }
    let hundred = redis(&server);
    assert_eq!(caches.clean_up(&hundred, &news, &["v2", "v3"]).await.unwrap(), 100);
    assert_eq!(caches.clean_up(&hundred, &news, &["v2", "v3"]).await.unwrap(), 50);
    assert_eq!(caches.clean_up(&hundred, &news, &["v2", "v3"]).await.unwrap(), 0);
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "news:v1:*"]).len(), 0);
    assert_eq!(server.ask::<i64>(&["DBSIZE"]), 304);
    let never = cache(json!({ "redis": { "url": server.url() } }));
    assert_eq!(caches.clean_up(&never, &news, &[]).await.unwrap(), 0, "without cleanUp");
}

#[tokio::test]
async fn a_cache_that_restarts_is_unavailable_and_then_tells_what_it_has() {
    let mut server =
        RedisServer::new(&["--appendonly", "yes", "--appendfsync", "always"]).run().await;
    let (caches, cache, news) = (caches(), redis(&server), news());
    assert_eq!(caches.switch(&cache, &news, None, "v1").await.unwrap(), Switched::Done);
    server.end();
    assert!(later(caches.switch(&cache, &news, Some("v1"), "v2").await).contains("refused"));
    server.restart().await;
    assert_eq!(caches.generation(&cache, &news).await.unwrap().as_deref(), Some("v1"));
    assert_eq!(caches.switch(&cache, &news, Some("v1"), "v2").await.unwrap(), Switched::Done);
}

#[tokio::test]
async fn a_cache_that_hangs_is_given_up_on() {
    let server = RedisServer::start().await;
    let (caches, cache, news) = (caches(), redis(&server), news());
    server.signal("-STOP");
    let began = Instant::now();
    later(caches.switch(&cache, &news, None, "v1").await);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    server.signal("-CONT");
    eventually("it answers again", || async { caches.generation(&cache, &news).await.ok() }).await;
}

#[tokio::test]
async fn a_slow_cache_is_waited_for() {
    let server = RedisServer::start().await;
    let (caches, cache, news) = (caches(), redis(&server), news());
    let slow = format!("redis://127.0.0.1:{}", server.port);
    let sleeper = std::thread::spawn(move || {
        let mut connection = redis::Client::open(slow).unwrap().get_connection().unwrap();
        redis::cmd("DEBUG").arg("SLEEP").arg("0.8").query::<()>(&mut connection)
    });
    assert_eq!(caches.switch(&cache, &news, None, "v1").await.unwrap(), Switched::Done);
    let _ = sleeper.join().unwrap();
}

#[tokio::test]
async fn users_with_the_few_rights_they_need_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users.acl");
    let rights = "~news:* resetchannels -@all +get +set +eval +scan +unlink";
    let acl = format!("user default on >boss ~* +@all\nuser perch on >s3cret {rights}\n");
    std::fs::write(&users, acl).unwrap();
    let options = ["--aclfile", users.to_str().unwrap()];
    let server = RedisServer::new(&options).login(":boss@").run().await;
    let (caches, news) = (caches(), news());
    let login = |user: &str, password: &str| {
        let password = format!("ssm:/perch/cache/{password}");
        cache(json!({
            "redis": { "url": server.url(), "user": user, "password": password, "cleanUp": 10 }
        }))
    };
    let perch = login("perch", "s3cret");
    assert_eq!(caches.switch(&perch, &news, None, "v1").await.unwrap(), Switched::Done);
    let () = server.ask(&["SET", "news:v0:a", "x"]);
    assert_eq!(caches.clean_up(&perch, &news, &["v1"]).await.unwrap(), 1);
    for denied in [login("perch", "wrong"), redis(&server)] {
        let error = caches.generation(&denied, &news).await.unwrap_err();
        assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
    let foreign = caches.generation(&perch, &"other".parse().unwrap()).await.unwrap_err();
    assert!(matches!(foreign, PortError::Denied { .. }), "{foreign:?}");
}

#[tokio::test]
async fn tls_is_spoken_and_certificates_are_checked() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("redis.crt"), folder.path().join("redis.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = RedisServer::new(&["--requirepass", "s3cret"]).tls(&certificate, &key).run().await;
    let news = news();
    let cache = cache(json!({
        "redis": { "url": server.url(), "password": "secretsmanager:perch/s3cret" }
    }));
    let trusting = caches().trusting(made.cert.pem().into_bytes());
    assert_eq!(trusting.switch(&cache, &news, None, "v1").await.unwrap(), Switched::Done);
    let error = later(caches().generation(&cache, &news).await);
    assert!(error.to_lowercase().contains("certificate"), "{error}");
}

#[tokio::test]
async fn in_a_cluster_the_pointer_moves_and_every_primary_is_cleaned() {
    let cluster = RedisCluster::start().await;
    let (caches, news) = (caches(), news());
    let cache = cache(json!({
        "redis": { "url": cluster.nodes[0].url(), "cluster": true, "cleanUp": 1000 }
    }));
    let switch = async |from, to| caches.switch(&cache, &news, from, to).await;
    assert_eq!(switch(None, "v1").await.unwrap(), Switched::Done);
    assert_eq!(switch(Some("v1"), "v2").await.unwrap(), Switched::Done);
    assert_eq!(switch(Some("v1"), "v3").await.unwrap(), other(Some("v2")));
    assert_eq!(cluster.get("news:generation").as_deref(), Some("v2"));
    let mut at = [0; 3];
    for n in 0..60 {
        let former = format!("news:v1:{n}");
        at[cluster.primary_of(&former)] += 1;
        cluster.set(&former, "x");
        cluster.set(&format!("news:v2:{n}"), "x");
    }
    assert!(at.iter().all(|count| *count > 0), "{at:?}");
    assert_eq!(caches.clean_up(&cache, &news, &["v2"]).await.unwrap(), 60);
    let left: i64 = cluster.nodes[..3].iter().map(|node| node.ask::<i64>(&["DBSIZE"])).sum();
    assert_eq!(left, 61);
}

#[tokio::test]
async fn after_a_failover_the_new_primary_is_used() {
    let mut cluster = RedisCluster::start().await;
    let (caches, news) = (caches(), news());
    let primary = cluster.primary_of("news:generation");
    let seed = &cluster.nodes[(primary + 1) % 3];
    let cache = cache(json!({ "redis": { "url": seed.url(), "cluster": true } }));
    assert_eq!(caches.switch(&cache, &news, None, "v1").await.unwrap(), Switched::Done);
    let replica = primary + 3;
    eventually("the replica has it", || async {
        let offset = |node: usize, field: &str| {
            let info: String = cluster.nodes[node].ask(&["INFO", "replication"]);
            info.lines().find_map(|line| line.strip_prefix(field)?.parse::<u64>().ok())
        };
        (offset(primary, "master_repl_offset:") == offset(replica, "slave_repl_offset:"))
            .then_some(())
    })
    .await;
    cluster.nodes[primary].end();
    let began = Instant::now();
    let mut failures = 0;
    let switched = loop {
        match caches.switch(&cache, &news, Some("v1"), "v2").await {
            Ok(switched) => break switched,
            Err(PortError::Unavailable { .. }) => failures += 1,
            Err(other) => panic!("{other:?}"),
        }
        assert!(began.elapsed().as_secs() < 60, "no new primary");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(switched, Switched::Done);
    assert!(failures > 0, "the primary was gone for a while");
    assert_eq!(cluster.nodes[replica].ask::<String>(&["GET", "news:generation"]), "v2");
}
