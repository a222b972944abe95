//! Aliases: reading them, and moving them under their revision.

use perch_app::ports::{AliasState, PortError, ReadAlias, Route, ShiftWeight};
use perch_core::names::{AliasName, FunctionName, Version};
use perch_core::target::Lambda;

use super::{Account, Alias, MemoryLambda};
use crate::mutation::Mutation;

impl ReadAlias for MemoryLambda {
    async fn alias(&self, lambda: &Lambda) -> Result<AliasState, PortError> {
        self.look("alias", |account| account.alias(lambda)).await
    }
}

impl ShiftWeight for MemoryLambda {
    async fn shift(
        &self,
        lambda: &Lambda,
        route: &Route,
        revision: &str,
    ) -> Result<AliasState, PortError> {
        self.port("shift", |account| account.shift(lambda, route, revision)).await
    }
}

impl Account {
    /// Creates an alias that sends everything to one version.
    pub fn create_alias(&mut self, function: &FunctionName, alias: &AliasName, version: &Version) {
        let revision = self.next_revision();
        let routes = vec![Route::all_on(version)];
        let function = self.function_mut(function).expect("the function exists");
        function.aliases.insert(alias.to_string(), Alias { revision, routes });
    }

    pub(super) fn alias(&self, lambda: &Lambda) -> Result<AliasState, PortError> {
        let found = self
            .functions
            .get(&lambda.function)
            .and_then(|function| function.aliases.get(lambda.alias.as_str()))
            .ok_or_else(|| PortError::NotFound { what: alias_of(lambda) })?;
        let route = found.routes.last().expect("an alias has a route").clone();
        Ok(AliasState { route, revision: format!("r{}", found.revision) })
    }

    /// `UpdateAlias`: every write gives a new revision, also one that changes nothing.
    pub(super) fn shift(
        &mut self,
        lambda: &Lambda,
        route: &Route,
        revision: &str,
    ) -> Result<AliasState, PortError> {
        let found = self.alias(lambda)?;
        let second = route.split.iter().map(|(second, _)| second);
        for version in std::iter::once(&route.primary).chain(second) {
            self.version_mut(&lambda.function, version)?;
        }
        let checked = self.mutation != Some(Mutation::RevisionIgnored);
        if found.revision != revision && checked {
            return Err(PortError::Conflict {
                what: alias_of(lambda),
                expected: revision.to_owned(),
                found: found.revision,
            });
        }
        let revision = self.next_revision();
        let function = self.function_mut(&lambda.function)?;
        if let Some(alias) = function.aliases.get_mut(lambda.alias.as_str()) {
            alias.revision = revision;
            alias.routes.push(route.clone());
        }
        self.alias(lambda)
    }
}

fn alias_of(lambda: &Lambda) -> String {
    format!("alias {} of function {}", lambda.alias, lambda.function)
}
