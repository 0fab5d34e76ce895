//! A database for each test.

use sea_orm::{ConnectionTrait, DatabaseConnection};

/// A new database of the PostgreSQL server that the tests run on.
pub(crate) struct Postgres {
    admin: DatabaseConnection,
    server: String,
    name: String,
}

impl Postgres {
    pub(crate) async fn new() -> Self {
        let server = std::env::var("TAIZHANG_TEST_POSTGRES")
            .expect("TAIZHANG_TEST_POSTGRES names no PostgreSQL server: run the tests by ./test");
        let admin = sea_orm::Database::connect(format!("{server}/postgres"))
            .await
            .unwrap();
        let name = format!("t{}", uuid::Uuid::new_v4().simple());
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        Self {
            admin,
            server,
            name,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    pub(crate) async fn remove(self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.admin.execute_unprepared(&drop).await.unwrap();
    }
}

/// The URL of a new SQLite database in a folder.
pub(crate) fn sqlite(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}/facilities.db", folder.path().display())
}
