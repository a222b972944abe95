//! What the drivers can do. What is refused, held or hurried follows from here.

use super::Driver;

/// A kind of driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Perch moves the weights of a Lambda alias.
    Alias,
    /// CodeDeploy moves them.
    AliasByCodeDeploy,
    /// CodeDeploy moves the tasks of an ECS service.
    ServiceByCodeDeploy,
    /// ECS moves them by itself.
    Service,
    /// Perch moves model servers, one after the other.
    Servers,
}

/// Which weights a release may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// Any steps; Perch makes each of them.
    Any,
    /// One step or equal ones, by a schedule that nobody can hurry once it began.
    Schedule,
}

/// What keeps a canary at its weight for as long as the judge or a person needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Perch does: nobody else moves it.
    Always,
    /// A stage of the deployment that waits for Perch, where the service has one.
    AtGates,
    /// Nothing.
    Never,
}

/// What a driver can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The weights that it takes.
    pub weights: Weights,
    /// Whether a function of Perch's is asked before traffic moves.
    pub hooks: bool,
    /// What keeps a weight.
    pub pause: Pause,
    /// Whether it puts the baseline back when it is told to stop.
    pub stop_with_rollback: bool,
    /// Whether the canary has an address of its own before it has any traffic.
    pub address: bool,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Kind::Alias,
        Kind::AliasByCodeDeploy,
        Kind::ServiceByCodeDeploy,
        Kind::Service,
        Kind::Servers,
    ];

    /// What a driver of this kind can do.
    pub const fn capabilities(self) -> Capabilities {
        let by_perch = Capabilities {
            weights: Weights::Any,
            hooks: false,
            pause: Pause::Always,
            stop_with_rollback: false,
            address: false,
        };
        let by_itself = Capabilities {
            weights: Weights::Schedule,
            hooks: true,
            pause: Pause::Never,
            stop_with_rollback: true,
            address: false,
        };
        match self {
            Kind::Alias => Capabilities { address: true, ..by_perch },
            // A version can be invoked by its number: its tests need no hook.
            Kind::AliasByCodeDeploy => Capabilities { hooks: false, address: true, ..by_itself },
            Kind::ServiceByCodeDeploy => by_itself,
            Kind::Service => Capabilities { pause: Pause::AtGates, ..by_itself },
            Kind::Servers => by_perch,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Alias => "Lambda alias",
            Kind::AliasByCodeDeploy => "Lambda alias, by CodeDeploy",
            Kind::ServiceByCodeDeploy => "ECS service, by CodeDeploy",
            Kind::Service => "ECS service, by ECS",
            Kind::Servers => "model servers",
        })
    }
}

impl std::fmt::Display for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Weights::Any => "any",
            Weights::Schedule => "one step, or equal ones",
        })
    }
}

impl std::fmt::Display for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Pause::Always => "yes",
            Pause::AtGates => "where a hook waits",
            Pause::Never => "no",
        })
    }
}

impl Driver {
    /// What kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Driver::Alias(lambda) if lambda.code_deploy.is_some() => Kind::AliasByCodeDeploy,
            Driver::Alias(_) => Kind::Alias,
            Driver::Service(service) if service.code_deploy.is_some() => Kind::ServiceByCodeDeploy,
            Driver::Service(_) => Kind::Service,
            Driver::Servers(_) => Kind::Servers,
        }
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.kind().capabilities()
    }

    /// Whether it moves by a schedule of its own once it was started.
    pub fn moves_itself(&self) -> bool {
        self.capabilities().weights == Weights::Schedule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_a_schedule_can_be_stopped_with_rollback() {
        for kind in Kind::ALL {
            let can = kind.capabilities();
            let by_itself = can.weights == Weights::Schedule;
            assert_eq!(by_itself, can.stop_with_rollback, "{kind}");
            assert_eq!(by_itself, can.pause != Pause::Always, "{kind}");
        }
    }
}
