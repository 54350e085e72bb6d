//! HTML that holds together: text can only get in escaped, so nothing that a document, a field's
//! name or a log says can break out of its place.

/// A piece of HTML, complete in itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

/// Elements without content or end tag.
const VOID: [&str; 3] = ["meta", "br", "wbr"];

/// What joins the words of a path or a name.
const JOINTS: [char; 4] = ['/', '-', '_', '.'];

impl Markup {
    /// Text, escaped.
    pub(super) fn text(text: &str) -> Self {
        Self(escape(text))
    }

    /// What is HTML already: only for what is written in the source, as styles are.
    pub(super) fn trusted(html: &'static str) -> Self {
        Self(html.to_owned())
    }

    /// Nothing.
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    /// The pieces one after the other.
    pub(super) fn all(pieces: impl IntoIterator<Item = Self>) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }

    /// Two pieces one after the other.
    pub(super) fn then(mut self, next: impl Into<Self>) -> Self {
        self.0.push_str(&next.into().0);
        self
    }

    /// As text.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl From<&str> for Markup {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Markup {
    fn from(text: String) -> Self {
        Self::text(&text)
    }
}

/// An element with attributes.
pub(super) fn element(
    name: &'static str,
    attributes: &[(&'static str, &str)],
    content: impl Into<Markup>,
) -> Markup {
    let mut html = format!("<{name}");
    for (name, value) in attributes {
        if *name != "class" || !value.is_empty() {
            html.extend([" ", name, "=\"", &escape(value), "\""]);
        }
    }
    html.push('>');
    if !VOID.contains(&name) {
        html.extend([&*content.into().0, "</", name, ">"]);
    }
    Markup(html)
}

/// An element without attributes.
pub(super) fn plain(name: &'static str, content: impl Into<Markup>) -> Markup {
    element(name, &[], content)
}

/// An element with a class.
pub(super) fn classed(name: &'static str, class: &str, content: impl Into<Markup>) -> Markup {
    element(name, &[("class", class)], content)
}

/// A path or a name: a line may be broken after what joins its words.
pub(super) fn path(text: &str) -> Markup {
    let mut pieces = Vec::new();
    for piece in text.split_inclusive(JOINTS) {
        pieces.push(Markup::text(piece));
        if piece.ends_with(JOINTS) {
            pieces.push(element("wbr", &[], ""));
        }
    }
    plain("code", Markup::all(pieces))
}

/// A table with a heading for every column, in a frame that scrolls by itself, also with the
/// keyboard.
pub(super) fn table(
    label: &str,
    class: &str,
    headings: &[(&str, &str)],
    rows: impl IntoIterator<Item = Markup>,
) -> Markup {
    let headings = headings
        .iter()
        .map(|(class, text)| element("th", &[("scope", "col"), ("class", class)], *text));
    let head = plain("thead", plain("tr", Markup::all(headings)));
    let body = plain("tbody", Markup::all(rows));
    let table = classed("table", class, head.then(body));
    let frame = [
        ("class", "frame"),
        ("role", "region"),
        ("aria-label", label),
        ("tabindex", "0"),
    ];
    element("div", &frame, table)
}

/// What could end text, an attribute or the reader's trust is written otherwise. Control
/// characters, which HTML cannot hold, and those that turn the direction of what follows, are shown
/// by their numbers.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() || turns_direction(letter) => {
                escaped.extend(letter.escape_unicode());
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn turns_direction(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_break_out() {
        let hostile = "</td><script>alert(1)</script>&\"'";
        let markup = element("td", &[("title", hostile)], hostile).into_string();
        let escaped = "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;";
        assert_eq!(markup, format!("<td title=\"{escaped}\">{escaped}</td>"));
    }

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_number() {
        let markup = Markup::text("a\u{0}b\u{202e}c\nd").into_string();
        assert_eq!(markup, "a\\u{0}b\\u{202e}c\nd");
    }

    #[test]
    fn paths_may_be_broken_between_their_words() {
        assert_eq!(
            path("a/<b>-c").into_string(),
            "<code>a/<wbr>&lt;b&gt;-<wbr>c</code>"
        );
    }
}
