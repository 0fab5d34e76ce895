//! The services as backups see them.

use taizhang_backup::Service;
use taizhang_runtime::Config;

use crate::roles::Role;

/// These roles' services with their configured databases.
pub fn services(config: &Config, roles: impl IntoIterator<Item = &'static Role>) -> Vec<Service> {
    let service = |role: &'static Role| Service {
        name: role.name,
        kinds: role.kinds,
        url: config.database(role.name).0,
        pool: config.pool(role.name),
        migrate: role.migrate,
        pending: role.pending,
    };
    roles.into_iter().map(service).collect()
}
