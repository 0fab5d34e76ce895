//! The deployment in containers has every service, and mounts only files that `taizhang init` makes.

use std::fs;
use std::path::Path;

use taizhang::deployment::Deployment;
use taizhang::roles::ROLES;
use taizhang_contracts::Office;

fn text(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(file)).unwrap()
}

#[test]
fn compose_and_the_gateway_have_every_service() {
    let (compose, gateway) = (text("docker-compose.yml"), text("docker/gateway.cfg"));
    let (upgrade, prometheus) = (
        text("docker/upgrade"),
        text("docker/observability/prometheus.yml"),
    );
    for role in ROLES {
        let (name, port) = (role.name, role.port);
        let variable = name.to_uppercase();
        let mut expected = vec![
            format!("\n  {name}:\n"),
            format!("command: [serve, {name}]"),
            format!("TAIZHANG__SERVICES__{variable}__LISTEN: 0.0.0.0:{port}"),
            format!("\"${{TAIZHANG_LISTEN:-0.0.0.0}}:{port}:{port}\""),
        ];
        if role.is_source() {
            expected.push(format!(
                "TAIZHANG__SOURCES__{variable}__ADDRESS: https://{name}:{port}"
            ));
        }
        for line in expected {
            assert!(compose.contains(&line), "docker-compose.yml lacks {line}");
        }
        for (file, text, start) in [
            ("docker/upgrade", &upgrade, "for service in "),
            (
                "docker/observability/prometheus.yml",
                &prometheus,
                "names: [",
            ),
        ] {
            let mut words = text
                .lines()
                .filter_map(|line| line.split_once(start))
                .flat_map(|(_, named)| named.split([' ', ',', ';', ']']));
            assert!(words.any(|word| word == name), "{file} lacks {name}");
        }
        // In its own container, and in the one that migrates.
        let url = format!("TAIZHANG__SERVICES__{variable}__DATABASE_FILE: /run/secrets/{name}.url");
        assert_eq!(compose.matches(&url).count(), 2, "{url}");
        for line in [
            format!("bind :{port}"),
            format!("{name} 8 {name}:{port}"),
            format!("{name} 8 {name}:7190"),
        ] {
            assert!(gateway.contains(&line), "docker/gateway.cfg lacks {line}");
        }
    }
    let image = format!("taizhang:{}", env!("CARGO_PKG_VERSION"));
    assert!(compose.contains(&image), "docker-compose.yml lacks {image}");
}

#[test]
fn init_makes_every_file_that_compose_mounts() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::from_id("demo").unwrap();
    Deployment::create(folder.path().to_owned(), &[], vec![office]).unwrap();
    let compose = text("docker-compose.yml");
    let files: Vec<_> = compose
        .lines()
        .filter_map(|line| line.split("{file: ./").nth(1)?.strip_suffix('}'))
        .collect();
    assert!(files.len() > ROLES.len(), "{files:?}");
    for file in files {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
}
