//! Real redis-servers: one alone, with TLS and users, and a cluster.

use std::path::{Path, PathBuf};

use redis::{Client, FromRedisValue};
use tempfile::TempDir;

use crate::child::{Child, eventually, free_port, root};

/// A redis-server.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    folder: TempDir,
    options: Vec<String>,
    child: Option<Child>,
    scheme: &'static str,
    login: &'static str,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let server = Self::new(&[]);
        server.run().await
    }

    /// Not started yet: `run` starts it.
    pub(crate) fn new(options: &[&str]) -> Self {
        Self {
            port: free_port(),
            folder: tempfile::tempdir().unwrap(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            child: None,
            scheme: "redis",
            login: "",
        }
    }

    /// How the test itself logs in: `user:password@`.
    pub(crate) fn login(self, login: &'static str) -> Self {
        Self { login, ..self }
    }

    /// With TLS alone, by a certificate of this authority.
    pub(crate) fn tls(mut self, certificate: &Path, key: &Path) -> Self {
        for (option, value) in [
            ("--tls-port", self.port.to_string()),
            ("--tls-cert-file", certificate.display().to_string()),
            ("--tls-key-file", key.display().to_string()),
            ("--tls-auth-clients", "no".to_owned()),
        ] {
            self.options.extend([option.to_owned(), value]);
        }
        Self { scheme: "rediss", ..self }
    }

    pub(crate) async fn run(mut self) -> Self {
        self.restart().await;
        self
    }

    /// Starts it, or ends it and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.end();
        let plain = if self.scheme == "redis" { self.port } else { 0 };
        self.child = Some(Child::start(&binary(), |start| {
            start.args(["--port", &plain.to_string(), "--bind", "127.0.0.1", "--save", ""]);
            start.args(["--loglevel", "warning", "--dir"]).arg(self.folder.path());
            start.args(&self.options);
        }));
        if self.scheme == "redis" {
            eventually("redis answers", || async { self.try_ask::<String>(&["PING"]) }).await;
        } else {
            let address = ("127.0.0.1", self.port);
            let listens = || async { std::net::TcpStream::connect(address).ok() };
            eventually("redis listens", listens).await;
        }
    }

    pub(crate) fn end(&mut self) {
        self.child = None;
    }

    pub(crate) fn signal(&self, signal: &str) {
        self.child.as_ref().unwrap().signal(signal);
    }

    /// The URL as a target file has it.
    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// A command's reply.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.client().get_connection().unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).unwrap()
    }

    /// The same without insisting.
    pub(crate) fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let mut connection = self.client().get_connection().ok()?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).ok()
    }

    fn client(&self) -> Client {
        Client::open(format!("redis://{}127.0.0.1:{}", self.login, self.port)).unwrap()
    }
}

fn binary() -> PathBuf {
    root().join(".venv-servers/redis/bin/redis-server")
}

/// Three primaries that share the slots, each with one replica.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    pub(crate) async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..6 {
            // The bus takes a port of its own: port + 10000 may be beyond the last.
            let bus = free_port().to_string();
            let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
            let server = RedisServer::new(&[&options[..], &["--cluster-port", &bus]].concat());
            nodes.push((server.run().await, bus));
        }
        let nodes = Self::join(nodes).await;
        let cluster = Self { nodes };
        eventually("the cluster is whole", || async { cluster.is_whole().then_some(()) }).await;
        cluster
    }

    async fn join(nodes: Vec<(RedisServer, String)>) -> Vec<RedisServer> {
        for (index, (node, _)) in nodes[..3].iter().enumerate() {
            let (first, last) = (index * 5462, ((index + 1) * 5462 - 1).min(16383));
            let () = node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        for (node, bus) in &nodes[1..] {
            let first = &nodes[0].0;
            let port = node.port.to_string();
            let () = first.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        for (replica, primary) in [(3, 0), (4, 1), (5, 2)] {
            let id: String = nodes[primary].0.ask(&["CLUSTER", "MYID"]);
            let replica = &nodes[replica].0;
            eventually("a replica knows its primary", || async {
                replica.try_ask::<()>(&["CLUSTER", "REPLICATE", &id])
            })
            .await;
        }
        nodes.into_iter().map(|(node, _)| node).collect()
    }

    fn is_whole(&self) -> bool {
        let whole = |info: &str| {
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6")
        };
        let informed = self.nodes.iter().all(|node| {
            node.try_ask::<String>(&["CLUSTER", "INFO"]).is_some_and(|info| whole(&info))
        });
        informed
            && self.nodes[3..].iter().all(|replica| {
                let info = replica.try_ask::<String>(&["INFO", "replication"]).unwrap_or_default();
                info.contains("master_link_status:up")
            })
    }

    /// The primary that has a key: its place among the first three nodes.
    pub(crate) fn primary_of(&self, key: &str) -> usize {
        let slot: usize = self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key]);
        slot / 5462
    }

    /// Sets a key where it belongs.
    pub(crate) fn set(&self, key: &str, value: &str) {
        let () = self.nodes[self.primary_of(key)].ask(&["SET", key, value]);
    }

    /// A key's value, read where it belongs.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.nodes[self.primary_of(key)].ask(&["GET", key])
    }
}
