//! A server beyond this machine must prove its name: tried with certificates of our own making.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::Bench;
use crate::server::Server;

/// Makes a certificate that signs itself, and one that it signed for a name.
fn openssl(folder: &Path, args: &[&str]) {
    let output = Command::new("openssl").args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn root(folder: &Path, name: &str) {
    let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    openssl(
        folder,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            &key,
            "-out",
            &cert,
            "-subj",
            &subject,
        ],
    );
}

/// The certificate and key of a server of that name.
fn signed(folder: &Path, by: &str, name: &str) -> (String, String) {
    fs::write(folder.join("ext"), format!("subjectAltName=DNS:{name}\n")).unwrap();
    openssl(
        folder,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "s.key",
            "-out",
            "s.csr",
            "-subj",
            "/CN=server",
        ],
    );
    let (cert, key) = (format!("{by}.pem"), format!("{by}.key"));
    openssl(
        folder,
        &[
            "x509",
            "-req",
            "-in",
            "s.csr",
            "-CA",
            &cert,
            "-CAkey",
            &key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "ext",
            "-out",
            "s.pem",
        ],
    );
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    (read("s.pem"), read("s.key"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn probe(bench: &Bench, id: &str) -> Value {
    let check = bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).json();
    let probes = check["probes"].as_array().unwrap();
    let found = probes.iter().find(|probe| probe["id"] == id);
    found.unwrap_or_else(|| panic!("{id}: {check:#}")).clone()
}

#[test]
fn a_server_is_believed_by_its_certificate_and_name_only() {
    let mut bench = Bench::new();
    let folder = bench.path("certificates");
    fs::create_dir(&folder).unwrap();
    root(&folder, "ours");
    root(&folder, "other");
    let port = free_port();
    let server = Server::start_with("-c listen_addresses=127.0.0.1", port);
    server.database("gis");
    // What 13 keeps otherwise is no password for a server that asks for SCRAM.
    server.sql("postgres", "ALTER SYSTEM SET password_encryption = 'scram-sha-256'");
    server.sql("postgres", "SELECT pg_reload_conf()");
    server.sql("gis", "CREATE EXTENSION postgis; CREATE ROLE far LOGIN PASSWORD 'hunter2'");
    server.sql("gis", "GRANT CREATE ON DATABASE gis TO far");
    let (cert, key) = signed(&folder, "ours", "localhost");
    server.put("server.crt", &cert);
    server.put("server.key", &key);
    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.put("pg_hba.conf", "local all all trust\nhostssl all all all scram-sha-256\n");

    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let own = "postgis: { server: { secret: env:GIS, password: env:GIS_PASSWORD } }";
    fs::write(&plan, text.replacen("postgis: { private: {} }", own, 1)).unwrap();
    bench.set("GIS_PASSWORD", "hunter2");
    let ca = |name: &str| bench.at(&format!("certificates/{name}.pem"));
    let (ours, other) = (ca("ours"), ca("other"));
    let url = |rest: &str| format!("postgres://far@localhost:{port}/gis?{rest}");

    bench.set("GIS", &url(&format!("sslmode=verify-full&sslrootcert={other}")));
    let refused = probe(&bench, "postgis");
    assert_eq!(refused["level"], "fail", "{refused:#}");
    assert!(refused["hint"].as_str().unwrap().contains("sslrootcert"), "{refused:#}");
    // A run is refused at once, and not tried again and again.
    let ended = bench.json(&["init", "plans/kansas.yaml", "--env", "dev"]).expect(1).json();
    assert_eq!(ended["error"]["code"], "credentials", "{ended:#}");

    bench.set("GIS", &url(&format!("sslmode=verify-full&sslrootcert={ours}")));
    assert_eq!(probe(&bench, "postgis")["level"], "ok");
    bench.init();
    let sessions = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                    WHERE a.usename = 'far' AND NOT s.ssl";
    assert_eq!(server.sql("gis", sessions), "0");

    // Signed by the right root, for another name.
    let (cert, key) = signed(&folder, "ours", "db.example.org");
    server.put("server.key", &key);
    server.put("server.crt", &cert);
    server.sql("postgres", "SELECT pg_reload_conf()");
    let refused = probe(&bench, "postgis");
    assert_eq!(refused["level"], "fail", "{refused:#}");
    // Whoever says so gets less; a password does not make a wrong one right.
    bench.set("GIS", &url("sslmode=require"));
    assert_eq!(probe(&bench, "postgis")["level"], "ok");
    bench.set("GIS_PASSWORD", "wrong1");
    let refused = probe(&bench, "postgis");
    assert_eq!(refused["level"], "fail", "{refused:#}");
    assert!(!refused.to_string().contains("wrong1"), "{refused:#}");
    bench.set("GIS_PASSWORD", "hunter2");
    // No TLS at all is refused by the server, and one that has none by us.
    bench.set("GIS", &url("sslmode=disable"));
    assert_eq!(probe(&bench, "postgis")["level"], "fail");
    server.sql("postgres", "ALTER SYSTEM SET ssl = off");
    server.put("pg_hba.conf", "local all all trust\nhost all all all trust\n");
    bench.set("GIS", &url(&format!("sslmode=verify-full&sslrootcert={ours}")));
    let refused = probe(&bench, "postgis");
    assert_eq!(refused["level"], "fail", "{refused:#}");
    assert!(refused["hint"].as_str().unwrap().contains("ssl = on"), "{refused:#}");
}
