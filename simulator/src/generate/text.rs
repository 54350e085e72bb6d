//! Words, titles, names and comments as they are found in a wiki: many scripts, emoji, quotes,
//! markup, and nothing at all.

use fastrand::Rng;

/// One language's words; a wiki is mostly in one, and never only in one.
const WORDS: [&[&str]; 8] = [
    &[
        "the", "history", "of", "river", "football", "club", "list", "railway", "station", "album",
        "1984", "election",
    ],
    &[
        "Straße",
        "über",
        "Geschichte",
        "Bahnhof",
        "Liste",
        "Grüße",
        "Fluß",
        "Köln",
        "der",
        "Öffentlichkeit",
    ],
    &[
        "élection",
        "présidentielle",
        "à",
        "l'été",
        "œuvre",
        "château",
        "français",
        "garçon",
        "où",
        "Noël",
    ],
    &[
        "история",
        "город",
        "река",
        "список",
        "футбол",
        "Москва",
        "война",
        "ёлка",
        "объект",
    ],
    &[
        "東京都",
        "駅",
        "鉄道",
        "の",
        "一覧",
        "歴史",
        "アルバム",
        "サッカー",
        "日本",
        "㈱",
    ],
    &["تاريخ", "مدينة", "نهر", "قائمة", "كرة", "القدم", "محطة"],
    &["한국", "역사", "도시", "강", "목록", "축구", "서울"],
    &[
        "🎉",
        "🏳️‍🌈",
        "𝒳",
        "𐍈",
        "नमस्ते",
        "Zażółć",
        "ﬁ",
        "e\u{301}",
        "\u{200f}",
        "ʻokina",
        "½",
    ],
];

/// What writers of JSON must escape, and writers of other formats forget.
const AWKWARD: [&str; 10] = [
    "\"quoted\"",
    "back\\slash",
    "tab\there",
    "line\nbreak",
    "\u{2028}",
    "<b>&amp;</b>",
    "'",
    "\u{7f}",
    "a/b~c",
    "\u{1f}",
];

const EDIT_SUMMARIES: [&str; 10] = [
    "",
    "typo",
    "/* See also */ added link",
    "Reverted edits by [[Special:Contributions/192.0.2.7|192.0.2.7]] ([[User \
     talk:192.0.2.7|talk]]) to last version",
    "/* wbsetclaim-create:2||1 */ [[Property:P31]]: [[Q5]]",
    "Importing Wikidata [[Wikipedia:Short description|short description]]: \"Species of beetle\" \
     ([[Wikipedia:Shortdesc helper|Shortdesc helper]])",
    "Copying assessment table to wiki",
    "[[WP:AES|←]]Created page with '{{Infobox settlement\n| name = ",
    "Bot: Fixing double redirect to [[Main Page]]",
    "Added tags to the page using [[Wikipedia:Page Curation|Page Curation]] (unreferenced)",
];

/// The index of one of [`WORDS`]' languages for a wiki, from its place among the wikis.
fn language(wiki: usize) -> usize {
    wiki % (WORDS.len() - 1)
}

fn pick<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.usize(..choices.len())]
}

/// A word of a wiki's language, or now and then of another's, or an awkward one.
fn word(rng: &mut Rng, wiki: usize) -> &'static str {
    match rng.u8(..) {
        0..=3 => pick(rng, &AWKWARD),
        4..=15 => {
            let other = rng.usize(..WORDS.len());
            pick(rng, WORDS[other])
        }
        _ => pick(rng, WORDS[language(wiki)]),
    }
}

/// `count` words.
pub(super) fn words(rng: &mut Rng, wiki: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * 8);
    for index in 0..count {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(word(rng, wiki));
    }
    text
}

/// A page's title, with its namespace's prefix.
pub(super) fn title(rng: &mut Rng, wiki: usize, namespace: i64) -> String {
    let prefix = match namespace {
        0 => "",
        1 => "Talk:",
        2 => "User:",
        3 => "User talk:",
        6 => "File:",
        14 => "Category:",
        4 => "Wikipedia:",
        _ => "Special:",
    };
    let count = rng.usize(1..6);
    format!("{prefix}{}", words(rng, wiki, count))
}

/// A user's name: registered, anonymous by address, temporary, a bot, or removed.
pub(super) fn user(rng: &mut Rng, wiki: usize) -> String {
    let number = rng.u32(..);
    match rng.u8(..16) {
        0 => String::new(),
        1 | 2 => format!("192.0.2.{}", number % 256),
        3 => format!("2001:DB8:0:{:X}:{:X}:0:0:1", number % 0xffff, number >> 16),
        4..=6 => format!("~2024-{}-{}", number % 99_999, number % 97),
        7 | 8 => format!("{}Bot", word(rng, wiki)),
        _ => format!(
            "{}{}",
            words(rng, wiki, 1 + number as usize % 2),
            number % 10_000
        ),
    }
}

/// An edit's summary.
pub(super) fn comment(rng: &mut Rng, wiki: usize) -> String {
    let summary = pick(rng, &EDIT_SUMMARIES);
    if rng.bool() {
        return summary.to_owned();
    }
    let count = rng.usize(1..16);
    format!("{summary} {}", words(rng, wiki, count))
}

/// A summary as the wiki shows it: markup made into HTML.
pub(super) fn parsed(comment: &str, server: &str) -> String {
    let escaped = comment
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    let link = format!("<a href=\"{server}/wiki/Special:Search\" title=\"Special:Search\">");
    escaped.replace("[[", &link).replace("]]", "</a>")
}

/// A title as it stands in an address: spaces are underscores, and everything but ASCII is
/// percent-encoded.
pub(super) fn url_path(title: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut path = String::with_capacity(title.len() * 2);
    for byte in title.bytes() {
        match byte {
            b' ' => path.push('_'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':' | b'/' => {
                path.push(char::from(byte));
            }
            _ => {
                path.push('%');
                path.push(char::from(HEX[usize::from(byte >> 4)]));
                path.push(char::from(HEX[usize::from(byte & 0xf)]));
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ascii_without_spaces() {
        assert_eq!(url_path("Talk:Köln Hbf"), "Talk:K%C3%B6ln_Hbf");
    }

    #[test]
    fn summaries_are_escaped_and_linked() {
        let parsed = parsed("<b> [[X]]", "https://w");
        assert_eq!(
            parsed,
            "&lt;b> <a href=\"https://w/wiki/Special:Search\" title=\"Special:Search\">X</a>"
        );
    }
}
