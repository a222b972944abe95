//! Where the replicas of model servers run: a list, an ECS service, or AWS Cloud Map.

use aws_config::SdkConfig;
use aws_sdk_ecs::types::{DesiredStatus, HealthStatus, Task};
use aws_sdk_servicediscovery::types::{HealthStatusFilter, HttpInstanceSummary};
use perch_app::ports::{FindReplicas, PortError};
use perch_core::reload::Replica;
use perch_core::target::{CloudMapService, EcsTasks, Replicas};

use crate::error::port_error;

/// Tasks that one call describes at most (ECS API Reference, `DescribeTasks`).
const TASKS: usize = 100;

/// Finds replicas.
#[derive(Debug, Clone)]
pub struct ReplicaFinder {
    ecs: aws_sdk_ecs::Client,
    cloud_map: aws_sdk_servicediscovery::Client,
}

impl ReplicaFinder {
    /// Replicas in this account and region.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self {
            ecs: aws_sdk_ecs::Client::new(sdk),
            cloud_map: aws_sdk_servicediscovery::Client::new(sdk),
        }
    }
}

impl FindReplicas for ReplicaFinder {
    async fn replicas(&self, replicas: &Replicas) -> Result<Vec<Replica>, PortError> {
        let mut found = match replicas {
            Replicas::Static(urls) => return Ok(urls.iter().map(|url| listed(url)).collect()),
            Replicas::Ecs(tasks) => self.tasks(tasks).await?,
            Replicas::CloudMap(service) => self.instances(service).await?,
        };
        found.sort();
        Ok(found)
    }
}

impl ReplicaFinder {
    /// The running tasks that are not known to be unhealthy.
    async fn tasks(&self, of: &EcsTasks) -> Result<Vec<Replica>, PortError> {
        let what = format!("tasks of service {} in cluster {}", of.service, of.cluster);
        let mut arns: Vec<String> = Vec::new();
        let mut pages = self
            .ecs
            .list_tasks()
            .cluster(&of.cluster)
            .service_name(&of.service)
            .desired_status(DesiredStatus::Running)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| port_error(what.as_str(), e))?;
            arns.extend(page.task_arns.unwrap_or_default());
        }
        let mut found = Vec::new();
        for arns in arns.chunks(TASKS) {
            let described = self
                .ecs
                .describe_tasks()
                .cluster(&of.cluster)
                .set_tasks(Some(arns.to_vec()))
                .send()
                .await
                .map_err(|e| port_error(what.as_str(), e))?;
            let tasks = described.tasks.unwrap_or_default();
            found.extend(tasks.iter().filter_map(|task| running(task, of.port)));
        }
        Ok(found)
    }

    /// The healthy instances.
    async fn instances(&self, of: &CloudMapService) -> Result<Vec<Replica>, PortError> {
        let found = self
            .cloud_map
            .discover_instances()
            .namespace_name(&of.namespace)
            .service_name(&of.service)
            .health_status(HealthStatusFilter::Healthy)
            .max_results(1000)
            .send()
            .await
            .map_err(|e| {
                port_error(format!("instances of {} in {}", of.service, of.namespace), e)
            })?;
        let instances = found.instances.unwrap_or_default();
        Ok(instances.iter().filter_map(|instance| registered(instance, of.port)).collect())
    }
}

/// A replica of a list is called by its host and port.
fn listed(url: &str) -> Replica {
    let url = url.trim_end_matches('/');
    let name = url.split_once("://").map_or(url, |(_, rest)| rest);
    Replica { name: name.to_owned(), url: url.to_owned() }
}

/// A task in `awsvpc` network mode has its address with its network interface (ECS Developer Guide,
/// "Amazon ECS task networking options").
fn running(task: &Task, port: u16) -> Option<Replica> {
    let runs = task.last_status() == Some("RUNNING");
    let unhealthy = task.health_status() == Some(&HealthStatus::Unhealthy);
    if !runs || unhealthy {
        return None;
    }
    let details = task.attachments().iter().flat_map(|attachment| attachment.details());
    let address = details
        .filter(|detail| detail.name() == Some("privateIPv4Address"))
        .find_map(|detail| detail.value())?;
    let name = task.task_arn().and_then(|arn| arn.rsplit('/').next()).unwrap_or(address);
    Some(Replica { name: name.to_owned(), url: format!("http://{address}:{port}") })
}

/// An instance registers its address and port as attributes (Cloud Map API Reference,
/// `RegisterInstance`).
fn registered(instance: &HttpInstanceSummary, port: Option<u16>) -> Option<Replica> {
    let attributes = instance.attributes()?;
    let address = attributes.get("AWS_INSTANCE_IPV4")?;
    let own = attributes.get("AWS_INSTANCE_PORT").and_then(|port| port.parse().ok());
    let port: u16 = own.or(port)?;
    let name = instance.instance_id().unwrap_or(address);
    Some(Replica { name: name.to_owned(), url: format!("http://{address}:{port}") })
}
