//! One connection to Redis or Valkey, or to a cluster of them, for one call.
//!
//! A function is frozen between two calls and finds its connections ended: each call opens its own.

use std::time::Duration;

use perch_app::ports::PortError;
use perch_core::target::Redis;
use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisError, ServerErrorKind, TlsCertificates,
};

use crate::http::{TimedOut, invalid, unavailable};

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// One command with everything that a cluster's client does about it: a moved slot, a new primary.
const WHOLE_COMMAND_WITHIN: Duration = Duration::from_secs(6);
/// The state machine tries again; this many bridge a slot that moves.
const CLUSTER_RETRIES: u32 = 3;

/// A connection to one server or to a cluster.
pub(super) struct Connection {
    pub(super) what: String,
    pub(super) to: To,
}

/// What is at the other end.
pub(super) enum To {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) async fn open(
        redis: &Redis,
        password: Option<String>,
        roots: Option<Vec<u8>>,
    ) -> Result<Self, PortError> {
        let what = format!("the cache {}", redis.url);
        let certificates = TlsCertificates { client_tls: None, root_cert: roots };
        let info = login(redis, password).map_err(|e| port_error(&what, e))?;
        let opened = async {
            if redis.cluster {
                cluster(info, certificates)?.get_async_connection().await.map(To::Cluster)
            } else {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_WITHIN))
                    .set_response_timeout(Some(ANSWER_WITHIN));
                let client = server(info, certificates)?;
                client.get_multiplexed_async_connection_with_config(&config).await.map(To::Server)
            }
        };
        match tokio::time::timeout(WHOLE_COMMAND_WITHIN, opened).await {
            Ok(Ok(to)) => Ok(Self { what, to }),
            Ok(Err(error)) => Err(port_error(&what, error)),
            Err(_) => Err(unavailable(&what, TimedOut(WHOLE_COMMAND_WITHIN))),
        }
    }

    /// One command, at the node that has its key.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, PortError> {
        let answer = async {
            match &mut self.to {
                To::Server(connection) => command.query_async(connection).await,
                To::Cluster(connection) => command.query_async(connection).await,
            }
        };
        match tokio::time::timeout(WHOLE_COMMAND_WITHIN, answer).await {
            Ok(answer) => answer.map_err(|e| port_error(&self.what, e)),
            Err(_) => Err(unavailable(&self.what, TimedOut(WHOLE_COMMAND_WITHIN))),
        }
    }
}

fn login(redis: &Redis, password: Option<String>) -> Result<ConnectionInfo, RedisError> {
    let info = redis.url.as_str().into_connection_info()?;
    let mut settings = info.redis_settings().clone();
    if let Some(user) = &redis.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = password {
        settings = settings.set_password(password);
    }
    Ok(info.set_redis_settings(settings))
}

fn is_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. })
}

fn server(info: ConnectionInfo, certificates: TlsCertificates) -> Result<Client, RedisError> {
    if is_tls(&info) { Client::build_with_tls(info, certificates) } else { Client::open(info) }
}

fn cluster(
    info: ConnectionInfo,
    certificates: TlsCertificates,
) -> Result<ClusterClient, RedisError> {
    let tls = is_tls(&info);
    let builder = ClusterClientBuilder::new([info])
        .connection_timeout(CONNECT_WITHIN)
        .response_timeout(ANSWER_WITHIN)
        .retries(CLUSTER_RETRIES);
    if tls { builder.certs(certificates).build() } else { builder.build() }
}

/// What an error of the cache means to the caller. Its text has no password: the client has none in it.
pub(super) fn port_error(what: &str, error: RedisError) -> PortError {
    let said = error.to_string();
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            PortError::Denied { what: what.to_owned(), message: said }
        }
        ErrorKind::InvalidClientConfig
        | ErrorKind::Parse
        | ErrorKind::UnexpectedReturnType
        | ErrorKind::Server(ServerErrorKind::ResponseError) => invalid(what, said),
        ErrorKind::Extension => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => {
                PortError::Denied { what: what.to_owned(), message: said }
            }
            Some("WRONGTYPE") => invalid(what, said),
            _ => unavailable(what, error),
        },
        _ => unavailable(what, error),
    }
}
