//! The page of a run in a real browser: it says what it should, complains about nothing, and fits
//! narrow and wide windows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flow_sim::report::campaign::{Campaign, Chronicle, Promises, Title};
use flow_sim::report::{Context, Document, Recorder};
use flow_sim::run::{Options, run};
use flow_sim::runtime::{Runtime, Step};
use flow_sim::torture;
use materialize_s3_parquet::protocol::Codec;
use tempfile::TempDir;

use crate::docker;
use crate::runs::{Killer, of_catalog};
use crate::servers::{Server, connector};

/// The names that a browser may have; see `xtask/src/browser.rs`.
const PROGRAMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A run on the embedded server of its own, whose requests are in the page.
fn options(catalog: &str, runtime: Runtime) -> Options {
    Options {
        store: flow_sim::run::Store::Embedded,
        interval: Some(1),
        ..of_catalog(catalog, Server::Embedded, (runtime, Codec::Proto))
    }
}

/// Plays a catalog, and tells what came of it.
async fn told(options: &Options) -> Document {
    let mut killer = Killer::new(0, Step::StartCommitSent);
    let mut recorder = Recorder::new(&mut killer);
    let outcome = run(options, &mut recorder).await;
    let recording = recorder.finish();
    let context = Context {
        options,
        command: "flow-sim run flow.yaml",
        began: None,
    };
    Document::of(&context, &recording, outcome.as_ref())
}

/// The browser, or none where the test is skipped.
#[expect(
    clippy::disallowed_methods,
    reason = "programs are looked for where everybody looks for them"
)]
fn browser(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| PROGRAMS.map(|program| folder.join(program)))
        .find(|program| program.is_file());
    assert!(
        found.is_some() || docker::skipped(test, "Chromium"),
        "there is no Chromium: install it (on Debian: apt-get install chromium), or run `cargo \
         conformance`"
    );
    found
}

/// What a page became in the browser.
struct Shown {
    /// The document as it stands in the end.
    dom: String,
    /// What was said on the console.
    console: Vec<String>,
}

fn show(browser: &Path, folder: &Path, page: &str) -> Shown {
    let file = folder.join("page.html");
    fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--dump-dom",
        ])
        .args(["--enable-logging=stderr", "--window-size=1600,1200"])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let console = said.lines().filter(|line| line.contains("CONSOLE"));
    Shown {
        dom: String::from_utf8(output.stdout).unwrap(),
        console: console.map(str::to_owned).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_a_run_with_a_crash_and_complains_about_nothing() {
    let Some(browser) = browser("browser::the_page_shows_a_run") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let document = told(&options("wikipedia", Runtime::V1)).await;
    let shown = show(&browser, folder.path(), &document.page());
    assert_eq!(shown.console, Vec::<String>::new());
    for text in [
        "<h1>wikimedia/lake</h1>",
        "11,174 rows compared, all equal",
        "Session 2",
        "killed after StartCommitSent",
        "begun 2 times",
        "<b>Pace</b>",
        "TIMESTAMP WITH TIME ZONE",
        "LOCATION_<wbr>REQUIRED",
        "CompleteMultipartUpload",
        "files are visible",
        "flow-sim run flow.yaml",
    ] {
        assert!(shown.dom.contains(text), "`{text}` is not shown");
    }
    let bars = shown.dom.matches("<rect").count();
    assert!(bars > 40, "{bars} bars");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_stay_names() {
    let Some(browser) = browser("browser::hostile_names_stay_names") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let mut document = told(&options("hostile_names", Runtime::V2)).await;
    let hostile = "</code></td></style></svg><script>document.title = 'broken out'</script>";
    document.bindings[0].fields[0].field = hostile.to_owned();
    document.run.task = hostile.to_owned();
    document.timeline.lanes[1].name = hostile.to_owned();
    let shown = show(&browser, folder.path(), &document.page());
    assert_eq!(shown.console, Vec::<String>::new());
    assert!(!shown.dom.contains("<script"));
    assert!(!shown.dom.contains("<title>broken out"));
    assert_eq!(
        shown.dom.matches("&lt;script&gt;").count(),
        document.page().matches("&lt;script&gt;").count()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_narrow_and_wide_windows() {
    let Some(browser) = browser("browser::the_page_fits") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    for catalog in ["types", "hostile_names"] {
        let page = told(&options(catalog, Runtime::V2)).await.page();
        for width in [360, 400, 1400] {
            let shown = show(&browser, folder.path(), &measured(&page, width));
            let expected = format!("data-width=\"{width}\"");
            assert!(
                shown.dom.contains(&expected),
                "{catalog} at {width}: {}",
                measure(&shown.dom)
            );
        }
    }
}

/// A page that shows ours in a window of that width, and then says how wide it has become.
fn measured(page: &str, width: u32) -> String {
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!doctype html><body><iframe style=\"width: {width}px; height: 900px; border: 0\" \
         srcdoc=\"{page}\"></iframe><script>
           const frame = document.querySelector('iframe');
           frame.onload = () => document.body.dataset.width = \
         frame.contentDocument.documentElement.scrollWidth;
         </script>"
    )
}

fn measure(dom: &str) -> &str {
    let from = dom.find("data-width").unwrap_or_default();
    &dom[from..dom.len().min(from + 20)]
}

/// A torture of a few seeds, told.
async fn tortured(connector: &str, seeds: std::ops::Range<u64>) -> Campaign {
    let options = torture::Options {
        seeds,
        jobs: 2,
        connector: vec![connector.to_owned()],
        stops_early: false,
        shrinks: true,
        time: None,
    };
    let mut chronicle = Chronicle::new();
    let heard = |seed, report: &torture::Report| chronicle.hear(seed, report);
    let outcome = torture::campaign(&options, heard).await.unwrap();
    let title = Title {
        command: "flow-sim torture",
        connector: &options.connector,
        began: None,
    };
    chronicle.finish(&title, Some(&outcome))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_torture_shows_its_runs_and_complains_about_nothing() {
    let Some(browser) = browser("browser::the_page_of_a_torture") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let campaign = tortured(&connector().display().to_string(), 0..8).await;
    assert_eq!(campaign.verdict, Promises::Kept);
    let story = &campaign.stories[0];
    let shown = show(&browser, folder.path(), &campaign.page());
    assert_eq!(shown.console, Vec::<String>::new());
    let seed = format!("Seed {}", story.seed);
    for text in [
        "Seeds 0 to 7",
        "✓ Every promise was kept",
        &seed,
        "All seeds",
        ", clean: log ",
        "<b>Stage</b>",
        "requests to S3",
        "<h3>The plan</h3>",
        "flow-sim torture",
    ] {
        assert!(shown.dom.contains(text), "`{text}` is not shown");
    }
    // Every event of the stories, and a mark for each commit and each incident.
    let count = |class: &str| {
        shown
            .dom
            .matches(&format!("<line class=\"{class}\""))
            .count()
    };
    let lanes = campaign
        .stories
        .iter()
        .flat_map(|story| &story.timeline.lanes);
    let (commits, kills) = lanes.fold((0, 0), |(commits, kills), lane| {
        (commits + lane.commits.len(), kills + lane.kills.len())
    });
    assert_eq!((count("commit"), count("kill")), (commits, kills));
    assert!(commits > 5 && kills > 0, "{commits} {kills}");
    for event in &story.events {
        assert!(shown.dom.contains(event), "`{event}` is not shown");
    }
    // No id is given twice: links and labels would lead to the wrong place.
    let ids = shown
        .dom
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let mut ids: Vec<&str> = ids.collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_torture_fits_narrow_and_wide_windows() {
    let Some(browser) = browser("browser::the_page_of_a_torture_fits") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let kept = tortured(&connector().display().to_string(), 2..5).await;
    let broken = tortured("false", 1..3).await;
    assert_eq!(broken.verdict, Promises::Broken);
    assert!(broken.page().contains("Seed 1, shrunk"));
    for (what, page) in [("kept", kept.page()), ("broken", broken.page())] {
        for width in [360, 400, 1400] {
            let shown = show(&browser, folder.path(), &measured(&page, width));
            let expected = format!("data-width=\"{width}\"");
            assert!(
                shown.dom.contains(&expected),
                "{what} at {width}: {}",
                measure(&shown.dom)
            );
        }
    }
}

#[test]
fn complaints_of_a_page_are_heard() {
    let Some(browser) = browser("browser::complaints_of_a_page_are_heard") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let shown = show(
        &browser,
        folder.path(),
        "<!doctype html><script>throw 1</script>",
    );
    assert_eq!(shown.console.len(), 1, "{:?}", shown.console);
    let wide = show(
        &browser,
        folder.path(),
        &measured("<div style='width: 900px'>wide</div>", 400),
    );
    assert!(
        wide.dom.contains("data-width=\"9"),
        "{}",
        measure(&wide.dom)
    );
}
