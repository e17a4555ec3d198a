use miette::{GraphicalReportHandler, GraphicalTheme};

use super::load;
use super::samples::{PLAN, kansas, of, table_job, tiles_job, wrong};

#[test]
fn the_documents_of_the_repository_are_sound() {
    let plan = kansas();
    let jobs: Vec<_> = plan.jobs.keys().map(ToString::to_string).collect();
    let expected = [
        "graph/kansas",
        "postgis/airports",
        "postgis/counties",
        "postgis/county_centers",
        "postgis/county_lines",
        "postgis/earthquakes",
        "postgis/flights",
        "postgis/places",
        "postgis/routes",
        "postgis/species",
        "postgis/species_restricted",
        "postgis/warnings",
        "postgis/zipcodes",
        "search/kansas",
        "tiles/kansas",
    ];
    assert_eq!(jobs, expected);
    assert!(plan.files.contains_key("plans/kansas.yaml"));
    assert!(plan.files.contains_key("rebuild/postgis/places.sql"));
    assert_eq!(plan.file, "plans/kansas.yaml");
    let dev = plan.environment("dev").unwrap();
    let plans = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let url = dev.canonical.resolve(&plans).unwrap().url;
    assert!(url.as_str().ends_with("/.coppice/dev/canonical"), "{url}");
    assert_eq!(url.scheme(), "file");
    let problem = plan.environment("dve").unwrap_err();
    assert_eq!(problem.hint.as_deref(), Some("did you mean `dev`?"));
}

#[test]
fn all_problems_of_all_files_come_at_once_with_their_places() {
    let plan = PLAN
        .replace("rto: 30m", "rto: 30 parsecs")
        .replace("  jobs: jobs\n", "  jobs: jobs\n  cutovr: all\n");
    assert_eq!(
        wrong(&[("plan.yaml", &plan)]),
        [
            "plan.yaml:6:3: unknown field `cutovr` (did you mean `cutover`?)",
            "plan.yaml:13:26: `30 parsecs` is no length of time: expected a number and a unit, \
             such as 30m, 24h or 90d",
        ]
    );
    let a = table_job("postgis/a", "a").replace("type: bigint", "type: bigit");
    let b = table_job("postgis/b", "b").replace("primary_key: [id]", "primary_key: [idd]");
    let c = tiles_job("tiles/c", &["postgis/b", "postgis/bb"]);
    let found = wrong(&[
        ("plan.yaml", PLAN),
        ("jobs/a.yaml", &a),
        ("jobs/b.yaml", &b),
        ("jobs/c.yaml", &c),
    ]);
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn forms_that_were_not_meant_say_what_was() {
    let swap = |from: &str, to: &str| table_job("postgis/a", "a").replace(from, to);
    let mut found = Vec::new();
    for job in [
        swap("dataset: a", "datset: a"),
        swap("dataset: a", "dataset: a, versoin: x"),
        swap("dataset: a", "dataset: a, version: 2026"),
        swap("    postgis:", "    postgres:"),
        swap("schema: public", "schema: [public]"),
        swap("kind: RebuildJob", "kind: RebuildJobs"),
        swap("metadata: { name: postgis/a }\n", ""),
        swap("name: postgis/a", "name: postgis/a, name: postgis/b"),
        swap("kind: RebuildJob", "kind: [RebuildJob"),
        swap("primary_key: [id]", "indexes: [{ columns: [id], method: rtree }]"),
        swap("srid: 4326", "srid: x"),
        String::new(),
    ] {
        found.extend(wrong(&[("plan.yaml", PLAN), ("jobs/a.yaml", &job)]));
    }
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_job_is_held_against_itself_and_the_others() {
    let swap = |from: &str, to: &str| table_job("postgis/a", "a").replace(from, to);
    let mut found = Vec::new();
    for job in [
        swap("postgis/a", "search/a"),
        swap("postgis/a", "a"),
        swap("  query: SELECT id, geometry AS geom FROM a\n", ""),
        swap("SELECT id, geometry AS geom FROM a", "a.sql"),
        swap("SELECT id, geometry AS geom FROM a", "' '"),
        swap("inputs: [{ dataset: a }]", "inputs: []"),
        swap("{ dataset: a }", "{ dataset: a }, { dataset: a }"),
        swap("{ dataset: a }", "{ dataset: 'a b' }"),
        swap("{ dataset: a }", "{ dataset: catalog_quads }"),
        swap("{ dataset: a }", "{ projection: postgis/b }"),
        swap("schema: public", "schema: pg_catalog"),
        swap("table: a", "table: 'Drop Table'"),
        swap("type: bigint", "type: bigint, srid: 4326, geometry: Point"),
        swap("geometry: Point", "geometry: Piont"),
        swap("name: geom", "name: id"),
        swap("srid: 4326", "srid: 0"),
        swap(
            "      primary_key: [id]",
            "      indexes: [{ columns: [] }]\n  expect: { min_rows: 2, max_rows: 1 }",
        ),
    ] {
        found.extend(wrong(&[("plan.yaml", PLAN), ("jobs/a.yaml", &job)]));
    }
    let first = table_job("postgis/a", "a");
    let again = [("plan.yaml", PLAN), ("jobs/a.yaml", &*first), ("jobs/b.yaml", &first)];
    found.extend(wrong(&again));
    let other = first.replace("name: postgis/a", "name: postgis/b");
    found.extend(wrong(&[("plan.yaml", PLAN), ("jobs/a.yaml", &first), ("jobs/b.yaml", &other)]));
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn how_a_job_reads_and_what_it_expects_is_held() {
    let swap = |from: &str, to: &str| table_job("postgis/a", "a").replace(from, to);
    let read = |read: &str| swap("{ dataset: a }", &format!("{{ dataset: a, read: {read} }}"));
    let spec = |more: &str| swap("  inputs:", &format!("  {more}\n  inputs:"));
    let mut found = Vec::new();
    for job in [
        read("{ crs: NAD83 }"),
        read("{ srid: 0 }"),
        read("{ columns: { id: geometry } }"),
        read("{ geometry: { lon: x } }"),
        read("{ colums: { id: text } }"),
        swap("{ dataset: a }", "{ dataset: a }, { dataset: b, read: { srid: 5070 } }"),
        spec("on_bad_row: ignore"),
        spec("on_bad_row: { skip: {} }"),
        spec("on_bad_row: { skip: { max_fraction: 1.5 } }"),
        spec("on_bad_row: { repair: { max_fraction: -1, skip: {} } }"),
        spec("expect: { unique: [idd], not_null: [id, what] }"),
        spec("expect: { extent: [-100, 38, -90] }"),
        spec("expect: { extent: [-100, 40, -90, 38] }"),
        spec("expect: { extent: [-100, 38, -90, 98] }"),
    ] {
        found.extend(wrong(&[("plan.yaml", PLAN), ("jobs/a.yaml", &job)]));
    }
    insta::assert_snapshot!(found.join("\n"));
    for job in [
        read("{ crs: EPSG:26914, srid: 26914, geometry: { wkt: geom }, columns: { id: bigint } }"),
        spec("on_bad_row: refuse"),
        spec("on_bad_row: { skip: { max_rows: 10, max_fraction: 0.01 } }"),
        spec("on_bad_row: { repair: { max_rows: 5, skip: { max_rows: 1 } } }"),
        spec("expect: { unique: [id], not_null: [id], extent: [170, -20, -170, 0] }"),
    ] {
        of(&[("plan.yaml", PLAN), ("jobs/a.yaml", &job)]).unwrap();
    }
}

#[test]
fn tiles_are_held_against_their_tables() {
    let a = table_job("postgis/a", "a");
    let good = tiles_job("tiles/t", &["postgis/a"]);
    let mut found = Vec::new();
    for (from, to) in [
        ("geometry: geom", "geometry: id"),
        ("geometry: geom", "geometry: gem"),
        ("id: id,", "id: ids,"),
        ("properties: [id]", "properties: [id, name]"),
        ("max_zoom: 8", "max_zoom: 30"),
        ("min_zoom: 0", "min_zoom: 9"),
        ("from: postgis/a", "from: postgis/z"),
        ("properties: [id]", "properties: [id], min_zoom: 12"),
        ("  sink:", "  query: SELECT 1\n  sink:"),
        ("{ projection: postgis/a }", "{ dataset: a }"),
        ("tile_profile_version: 1", "tile_profile_version: 0"),
    ] {
        let tiles = good.replacen(from, to, 1);
        assert_ne!(tiles, good);
        found.extend(wrong(&[("plan.yaml", PLAN), ("jobs/a.yaml", &a), ("jobs/t.yaml", &tiles)]));
    }
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_cycle_is_shown_by_its_whole_path() {
    let found = wrong(&[
        ("plan.yaml", PLAN),
        ("jobs/a.yaml", &tiles_job("tiles/a", &["tiles/b"])),
        ("jobs/b.yaml", &tiles_job("tiles/b", &["tiles/c"])),
        ("jobs/c.yaml", &tiles_job("tiles/c", &["tiles/a"])),
    ]);
    let cycles: Vec<_> = found.iter().filter(|line| line.contains("itself")).collect();
    let path = "tiles/a -> tiles/b -> tiles/c -> tiles/a";
    let places = "jobs/a.yaml:6:21, jobs/b.yaml:6:21, jobs/c.yaml:6:21";
    let hint = format!("take one of these inputs away: {places}");
    let cycle = format!("jobs/a.yaml:6:21: the job is derived from itself: {path} ({hint})");
    assert_eq!(cycles, [&cycle]);
}

#[test]
fn a_plan_is_held_against_itself() {
    let job = table_job("postgis/a", "a");
    let mut found = Vec::new();
    for (from, to) in [
        ("data/canonical }", "'ftp://host/x' }"),
        ("data/canonical }", "data/projections }"),
        ("data/canonical }", "data/backup }"),
        ("data/canonical }", "s3://b, options: { aws_secret_access_key: hunter2 } }"),
        ("data/canonical }", "s3://b, options: { aws_secret_access_key: { secret: hunter2 } } }"),
        ("data/canonical }", "'s3://me:hunter2@b/x' }"),
        ("private: {}", "server: { secret: 'postgres://u:hunter2@h/db' }"),
        ("objectives: { rto: 30m }", "objectives: {}\n      accepts_snapshots_from: [dve]"),
        ("  jobs: jobs\n", "  jobs: jobs\n  limits: { transfers: 0 }\n"),
        ("  jobs: jobs\n", "  jobs: jobs\n  only: [postgis/b]\n"),
        ("rto: 30m", "rto: 30 parsecs"),
        ("    dev:\n", "    my env:\n"),
    ] {
        let plan = PLAN.replace(from, to);
        assert_ne!(plan, PLAN);
        let problems = of(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]).map(|_| ()).unwrap_err();
        for problem in problems {
            let mut shown = String::new();
            let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
            handler.render_report(&mut shown, &problem).unwrap();
            assert!(!shown.contains("hunter2"), "{shown}");
            found.push(format!("{problem:?}"));
        }
    }
    let (_, dev) = PLAN.split_once("environments:\n").unwrap();
    let twice = format!("{PLAN}{}", dev.replace("dev:", "stage:"));
    found.extend(wrong(&[("plan.yaml", &twice), ("jobs/a.yaml", &job)]));
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn the_options_and_limits_of_a_store_are_held() {
    let job = table_job("postgis/a", "a");
    let mut found = Vec::new();
    for to in [
        "s3://b, options: { aws_regoin: eu } }",
        "gs://b, options: { aws_region: eu } }",
        "s3://b, options: { allow_invalid_certificates: 'true' } }",
        "s3://b, options: { aws_bucket: c } }",
        "data/canonical, options: { root_certificate: ca.pem } }",
        "s3://b, zones: { raw: data/raw }, options: { aws_region: eu } }",
        "s3://b, options: { aws_sse_customer_key_base64: hunter2 } }",
        "az://b, options: { azure_storage_sas_key: hunter2 } }",
        "s3://b, limits: { requests_per_second: 0, bytes_in_flight_mib: 2000000 } }",
        "s3://b, limits: { bytes_in_flight: 1 } }",
        "s3://b, limits: { bandwidth_mib_per_second: fast } }",
    ] {
        let plan = PLAN.replace("data/canonical }", to);
        assert_ne!(plan, PLAN);
        found.extend(wrong(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]));
    }
    assert!(!found.join("").contains("hunter2"));
    insta::assert_snapshot!(found.join("\n"));
    let good = "s3://b, limits: { requests_per_second: 5, bandwidth_mib_per_second: 1 }, options: { \
                root_certificate: ca.pem, aws_web_identity_token_file: /run/token, AWS_REGION: eu } }";
    let plan = PLAN.replace("data/canonical }", good);
    of(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]).unwrap();
}

#[test]
fn an_error_in_one_file_hides_none_in_another() {
    let a = table_job("postgis/a", "a").replace("type: bigint", "type: bigit");
    let b = table_job("postgis/b", "b").replace("kind:", "kind");
    let c = table_job("postgis/c", "c").replace("primary_key: [id]", "primary_key: [idd]");
    let of_plan = |plan: &str| {
        let jobs = [("jobs/a.yaml", &*a), ("jobs/b.yaml", &b), ("jobs/c.yaml", &c)];
        wrong(&[&[("plan.yaml", plan)], &jobs[..]].concat())
    };
    let mut found = of_plan(&PLAN.replace("rto: 30m", "rto: 30m, rpo: soon, rtoo: 1h"));
    found.push("-- a plan that is no YAML".to_owned());
    found.extend(of_plan(&PLAN.replace("metadata: {", "metadata: [{")));
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn environments_keep_apart() {
    let job = table_job("postgis/a", "a");
    let second = |backup: &str, canonical: &str, projections: &str, more: &str| {
        format!(
            "{PLAN}    stage:\n      backup: {backup}\n      canonical: {canonical}\n      \
             projections: {projections}\n      postgis: {{ private: {{}} }}\n      objectives: {{}}\n{more}"
        )
    };
    let at = |url: &str| format!("{{ url: '{url}' }}");
    let (backup, canonical, projections) = (at("data/backup"), at("stage/a"), at("stage/b"));
    let mut found = Vec::new();
    for plan in [
        second(&backup, &at("data/canonical/stage"), &projections, ""),
        second(&backup, &at("./data//x/../canonical/"), &projections, ""),
        second(&backup, &at("file:///srv/data/%63anonical/"), &projections, ""),
        second(&backup, &at("data"), &projections, ""),
        second(&at("stage/a/backup"), &canonical, &projections, ""),
        second(&backup, &canonical, &at("stage/a/tiles"), ""),
        second(&backup, "{ url: stage/a, zones: { raw: data/canonical/raw } }", &projections, ""),
        second(&backup, &canonical, &projections, "      scratch: { url: data/projections/x }\n"),
    ] {
        found.extend(wrong(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]));
    }
    let options = "options: { aws_secret_access_key: { secret: env:KEY } }";
    let shared = PLAN.replace("data/canonical }", &format!("s3://one, {options} }}"))
        + second(&backup, &format!("{{ url: s3://two, {options} }}"), &projections, "")
            .strip_prefix(PLAN)
            .unwrap();
    found.extend(wrong(&[("plan.yaml", &shared), ("jobs/a.yaml", &job)]));
    insta::assert_snapshot!(found.join("\n"));
    // What lies beside, and a backup of both, are no one's but their own.
    for canonical in ["data/canonical2", "s3://data/canonical"] {
        let plan = second(&backup, &at(canonical), &projections, "");
        of(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]).unwrap();
    }
}

/// A plan of two environments that share their backup and nothing else, with more in each.
fn two(dev: &str, stage: &str) -> String {
    format!(
        "{PLAN}{dev}    stage:\n      backup: {{ url: data/backup }}\n      \
         canonical: {{ url: stage/a }}\n      projections: {{ url: stage/b }}\n      \
         postgis: {{ private: {{}} }}\n      objectives: {{}}\n{stage}"
    )
}

/// Where an environment keeps graphs, or rehearses them.
fn sparql(field: &str, server: &str) -> String {
    format!("      {field}: {{ sparql: {{ {server} }} }}\n")
}

#[test]
fn no_database_and_no_server_of_graphs_is_of_two_environments() {
    let job = table_job("postgis/a", "a");
    let servers = |dev: &str, stage: &str| {
        [dev, stage].iter().fold(two("", ""), |plan, server| {
            plan.replacen("private: {}", &format!("server: {{ {server} }}"), 1)
        })
    };
    let graphs = |dev: &str, stage: &str| two(&sparql("graph", dev), &sparql("graph", stage));
    let (one, other) = (
        "query: 'https://a.example/q', update: 'https://g.example/u'",
        "query: 'https://b.example/q', update: 'https://h.example/u'",
    );
    let token = |server: &str| format!("{server}, auth: {{ bearer: {{ secret: env:TOKEN }} }}");
    for (plan, line, field) in [
        (servers("secret: env:X", "secret: env:X"), 17, "postgis/server/secret"),
        (
            servers("secret: env:X, password: env:P", "secret: env:Y, password: env:P"),
            17,
            "postgis/server/password",
        ),
        // However the URL is written.
        (
            graphs(one, "query: 'https://b.example/q', update: 'https://G.example:443/u/'"),
            20,
            "graph/sparql/update",
        ),
        (graphs(one, &format!("{other}, store: 'https://g.example/u'")), 20, "graph/sparql/update"),
        (
            graphs("query: env:A, update: env:U", "query: env:B, update: env:U"),
            20,
            "graph/sparql/update",
        ),
        (graphs(&token(one), &token(other)), 20, "graph/sparql/auth/bearer/secret"),
    ] {
        let found = wrong(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]);
        assert_eq!(found.len(), 1, "{plan}: {found:#?}");
        assert!(found[0].starts_with(&format!("plan.yaml:{line}:")), "{plan}: {found:#?}");
        let words = format!("this is also the {field} of `dev`");
        assert!(found[0].contains(&words), "{plan}: {found:#?}");
    }
    // One server may have a place for each.
    let below = "query: 'https://b.example/q', update: 'https://g.example/u2'";
    for plan in [servers("secret: env:X", "secret: env:Y"), graphs(one, below), graphs(one, other)]
    {
        of(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]).unwrap();
    }
}

#[test]
fn a_scratch_and_a_backup_may_be_of_two_environments_and_serve_nothing_else() {
    let job = table_job("postgis/a", "a");
    let scratch = |url: &str| format!("      scratch: {{ url: {url} }}\n");
    let server = |name: &str| {
        format!("query: 'https://{name}.example/q', update: 'https://{name}.example/u'")
    };
    let graphs = |name: &str, scratch: &str| {
        sparql("graph", &server(name)) + &sparql("scratch_graph", &server(scratch))
    };
    let opened = "backup: { url: s3://b, options: { aws_secret_access_key: { secret: env:KEY } } }";
    for plan in [
        two(&scratch("data/scratch"), &scratch("data/scratch")),
        two(&scratch("data/scratch"), &scratch("data/scratch/of/stage")),
        two(&graphs("one", "scratch"), &graphs("two", "scratch")),
        two("", "").replace("backup: { url: data/backup }", opened),
    ] {
        of(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]).unwrap();
    }
    for (plan, line, words) in [
        (two("", &scratch("data/backup/x")), 19, "this lies inside the backup/url of `dev`"),
        (two(&scratch("data/scratch"), &scratch("data")), 20, "the canonical/url of `dev` lies"),
        (two("", &scratch("data/canonical")), 19, "this is also the canonical/url of `dev`"),
        (
            two(&graphs("one", "scratch"), &graphs("two", "one")),
            22,
            "this is also the graph/sparql/update of `dev`",
        ),
    ] {
        let found = wrong(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]);
        let place = format!("plan.yaml:{line}:");
        let told = |problem: &String| problem.starts_with(&place) && problem.contains(words);
        assert!(found.iter().any(told), "{plan}: {found:#?}");
    }
}

#[test]
fn graphs_are_rehearsed_on_no_environments_server_and_with_no_targets_secret() {
    let job = table_job("postgis/a", "a");
    let server = |at: &str, secret: &str| {
        format!(
            "{{ sparql: {{ query: '{at}/query', update: '{at}/update', \
             auth: {{ bearer: {{ secret: {secret} }} }} }} }}"
        )
    };
    let with = |graph: Option<&str>, scratch: &str| {
        let graph = graph.map(|graph| format!("      graph: {graph}\n")).unwrap_or_default();
        format!("{PLAN}{graph}      scratch_graph: {scratch}\n")
    };
    let (live, scratch) = ("https://live.example", "https://scratch.example");
    let of_dev = server(live, "env:LIVE");
    let by_reference = |name: &str| format!("{{ sparql: {{ query: env:Q, update: env:{name} }} }}");
    let mut found = Vec::new();
    for plan in [
        with(Some(&of_dev), &server(live, "env:SCRATCH")),
        with(Some(&of_dev), &server(scratch, "env:LIVE")),
        with(None, &server(scratch, "env:SCRATCH")),
        with(Some(&of_dev), &server("ftp://scratch.example", "env:SCRATCH")),
        with(Some(&of_dev), "{ sparql: { query: 'env:', update: 'https://h/u?token=hunter2' } }"),
        with(Some(&by_reference("U")), &by_reference("U")),
    ] {
        let problems = wrong(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]);
        assert!(!problems.join("\n").contains("hunter2"), "{problems:?}");
        found.extend(problems);
    }
    insta::assert_snapshot!(found.join("\n"));
    for plan in [
        with(Some(&of_dev), &server(scratch, "env:SCRATCH")),
        with(Some(&by_reference("U")), &by_reference("V")),
    ] {
        of(&[("plan.yaml", &plan), ("jobs/a.yaml", &job)]).unwrap();
    }
}

#[test]
fn a_secret_is_refused_wherever_it_stands_and_never_shown() {
    let (key, job) = ("AKIAIOSFODNN7EXAMPLE", table_job("postgis/a", "a"));
    let mut found = Vec::new();
    let described = job.replace("postgis/a }", "postgis/a, description: 'see s3://me:hunter2@b' }");
    for (plan, job) in [
        (PLAN.replace("data/canonical }", &format!("s3://b, options: {{ key: {key} }} }}")), &job),
        (PLAN.replace("data/canonical }", "'az://b/x?sv=1&sig=hunter2' }"), &job),
        (PLAN.replace("data/canonical }", "s3://b, options: { sas_token: hunter2 } }"), &job),
        (PLAN.to_owned(), &described),
    ] {
        let problems = of(&[("plan.yaml", &plan), ("jobs/a.yaml", job)]).map(|_| ()).unwrap_err();
        for problem in problems {
            let mut shown = String::new();
            let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
            handler.render_report(&mut shown, &problem).unwrap();
            assert!(!shown.contains("hunter2") && !shown.contains(key), "{shown}");
            found.push(format!("{problem:?}"));
        }
    }
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn what_nests_without_end_is_refused() {
    let deep = |open: &str, close: &str| {
        let text = format!("metadata: {}{}", open.repeat(20_000), close.repeat(20_000));
        wrong(&[("plan.yaml", &PLAN.replace("metadata: { name: small }", &text))])
    };
    let mut found = [deep("[", "]"), deep("{a: ", "}")].concat();
    let blocks: Vec<_> = (0..5_000).map(|at| " ".repeat(at) + "a:").collect();
    found.extend(wrong(&[("plan.yaml", &blocks.join("\n"))]));
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_problem_is_shown_under_its_line() {
    let job = table_job("postgis/a", "a").replace("type: bigint", "type: bigit");
    let problems = of(&[("plan.yaml", PLAN), ("jobs/a.yaml", &job)]).map(|_| ()).unwrap_err();
    let mut shown = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .render_report(&mut shown, &problems[0])
        .unwrap();
    insta::assert_snapshot!(shown);
}

#[test]
fn what_lies_on_disk_is_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.yaml");
    let say = || {
        let problems = load(&file).unwrap_err();
        problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>()
    };
    assert!(say()[0].starts_with("failed to read the file: "));
    std::fs::write(&file, PLAN).unwrap();
    assert_eq!(say(), ["no folder `jobs`"]);
    std::fs::create_dir_all(folder.path().join("jobs/deep")).unwrap();
    assert_eq!(say(), ["there is no rebuild job in the folder"]);
    let job = table_job("postgis/a", "a").replace("SELECT id, geometry AS geom FROM a", "b.sql");
    std::fs::write(folder.path().join("jobs/deep/a.yaml"), job).unwrap();
    std::fs::write(folder.path().join("jobs/deep/a.sql"), "SELECT 1").unwrap();
    let problem = load(&file).unwrap_err().remove(0);
    assert_eq!(problem.message, "no file `jobs/deep/b.sql`");
    assert_eq!(problem.hint.as_deref(), Some("did you mean `a.sql`?"));
    // A name that can be opened from here.
    assert!(std::path::Path::new(&problem.file).exists(), "{}", problem.file);
    std::fs::rename(folder.path().join("jobs/deep/a.sql"), folder.path().join("jobs/deep/b.sql"))
        .unwrap();
    let plan = load(&file).unwrap();
    assert_eq!(plan.files.len(), 3);
    assert_eq!(plan.jobs[&"postgis/a".parse().unwrap()].sql.as_deref(), Some("SELECT 1"));
    std::os::unix::fs::symlink(folder.path(), folder.path().join("jobs/loop")).unwrap();
    assert_eq!(say(), ["is a link, and links are not followed"]);
    std::fs::remove_file(folder.path().join("jobs/loop")).unwrap();
    std::fs::write(folder.path().join("jobs/big.yaml"), vec![b' '; 5_000_000]).unwrap();
    assert_eq!(say(), ["is 5000000 bytes long; at most 4194304 are read"]);
}

#[test]
fn what_a_snapshot_sealed_loads_like_the_disk() {
    let disk = kansas();
    let root = std::path::Path::new("/anywhere");
    let sealed = super::load::read(disk.files.clone(), &disk.file, root).unwrap();
    assert_eq!(sealed.jobs.keys().collect::<Vec<_>>(), disk.jobs.keys().collect::<Vec<_>>());
    assert_eq!(sealed.file, disk.file);
}

#[test]
fn an_alias_bomb_is_refused() {
    let level = |level: usize| {
        let before = format!("*a{}, ", level - 1).repeat(10);
        format!("a{level}: &a{level} [{before}]\n")
    };
    let levels: Vec<_> = (1..10).map(level).collect();
    let bomb = format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}", levels.concat());
    let found = wrong(&[("plan.yaml", &bomb)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("plan.yaml:"), "{found:?}");
    let limit = "more than 250000 values, those that aliases repeat counted";
    assert!(found[0].contains(limit), "{found:?}");
    assert!(found[0].contains("write out what an alias (`*name`) repeats"), "{found:?}");
}
